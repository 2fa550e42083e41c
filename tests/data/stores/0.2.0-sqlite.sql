BEGIN TRANSACTION;
CREATE TABLE act (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	command TEXT NOT NULL, 
	actor TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	asked TEXT NOT NULL, 
	chosen INTEGER, 
	done INTEGER DEFAULT '0' NOT NULL, 
	refused INTEGER DEFAULT '0' NOT NULL, 
	worked_at FLOAT, 
	finished_at FLOAT, 
	resumed TEXT, driver TEXT, token TEXT, request_key TEXT, request_digest TEXT, counted TEXT, proposed_until FLOAT, agreed_at FLOAT, stopped_at FLOAT, 
	CONSTRAINT pk_act PRIMARY KEY (seq), 
	UNIQUE (id)
);
INSERT INTO "act" VALUES(1,'act_01m8xnvkzv0q52tefkynd6exjz','replay','maker@stores',1.7962923335635612e+09,'{"filters":{"route":"refused"},"rate":"1/s","through":"refused"}',5,2,0,1.79629233357838177e+09,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "act" VALUES(2,'act_01m8xnvq0aq71j3dkrw4f7q6dz','retry','FLOWBRIDGE_ADMIN_TOKEN',1.79629233665009689e+09,'{"filters":{"route":"ordered"},"to":"queued"}',1,0,0,NULL,NULL,NULL,'worker','FLOWBRIDGE_ADMIN_TOKEN','retry-what-is-dead','936f0ff88d55c3cbed37d9964972fb2f3e91be89ab534543271ec6ac27b03673','{"count":1,"by_route":{"ordered":1},"by_status":{"dead":1},"left_out":{},"problems":[],"went_already":0,"examples":["dlv_01m8xnveamsdh35p8hnygr2f4wbov2sf5g"]}',NULL,NULL,NULL);
CREATE TABLE act_item (
	act BIGINT NOT NULL, 
	number INTEGER NOT NULL, 
	item_id TEXT NOT NULL, 
	outcome TEXT, 
	problem TEXT, 
	was TEXT, 
	became TEXT, 
	made TEXT, 
	at FLOAT, 
	CONSTRAINT pk_act_item PRIMARY KEY (act, number)
)
 WITHOUT ROWID

;
INSERT INTO "act_item" VALUES(1,1,'evt_01m8xnve72fwwcmkh7mggge4mg','done',NULL,NULL,NULL,'["dlv_01m8xnve72fwwcmkh7mggge4mg7suv477w"]',1.7962923335697875e+09);
INSERT INTO "act_item" VALUES(1,2,'evt_01m8xnve8qzfd6yp68s63aerm7','done',NULL,NULL,NULL,'["dlv_01m8xnve8qzfd6yp68s63aerm77suv477w"]',1.79629233357838177e+09);
INSERT INTO "act_item" VALUES(1,3,'evt_01m8xnve92rv4axy2zstkc17pa',NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "act_item" VALUES(1,4,'evt_01m8xnve97qvvvb18k42zm4swb',NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "act_item" VALUES(1,5,'evt_01m8xnvea1vhtcsed914mez0s0',NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "act_item" VALUES(2,1,'dlv_01m8xnveamsdh35p8hnygr2f4wbov2sf5g',NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0026');
CREATE TABLE alert (
	"key" TEXT NOT NULL, 
	severity TEXT NOT NULL, 
	what TEXT NOT NULL, 
	do TEXT NOT NULL, 
	since FLOAT NOT NULL, 
	seen_at FLOAT NOT NULL, 
	raised_at FLOAT, 
	told_at FLOAT, 
	told INTEGER NOT NULL, 
	resolved_at FLOAT, 
	CONSTRAINT pk_alert PRIMARY KEY ("key")
)
 WITHOUT ROWID

;
INSERT INTO "alert" VALUES('dead','warning','6 deliveries died within a day','flowbridge deliveries --status dead --since 1d; fix the cause, then flowbridge retry --dead-kind platform --since 1d',1.7962923306985991e+09,1.7962923306985991e+09,NULL,NULL,0,NULL);
INSERT INTO "alert" VALUES('unknown','warning','1 delivery with an unknown outcome waits for a person','flowbridge resolve',1.7962923306985991e+09,1.7962923306985991e+09,NULL,NULL,0,NULL);
CREATE TABLE attempt (
	delivery_id TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	started_at FLOAT NOT NULL, 
	finished_at FLOAT, 
	outcome TEXT, 
	status_code INTEGER, 
	detail TEXT, 
	run_id TEXT, run_state TEXT, log TEXT, run_finished_at FLOAT, outputs TEXT, late_at FLOAT, boot_clock FLOAT, boot_id TEXT, host TEXT, platform_at FLOAT, 
	CONSTRAINT pk_attempt PRIMARY KEY (delivery_id, number)
)
 WITHOUT ROWID

;
INSERT INTO "attempt" VALUES('dlv_01m8xnve6pksw4ktqpshfcwzyeurbsiy5w',1,1.79629232765761041e+09,1.79629232768361711e+09,'refused',425,'HTTP 425',NULL,NULL,NULL,NULL,NULL,NULL,16311.273473145,'48da08e8-7907-4387-81d0-046b7dda647e','vm',NULL);
INSERT INTO "attempt" VALUES('dlv_01m8xnve72fwwcmkh7mggge4mgvzpdifgh',1,1.79629232765761041e+09,1.79629232768361711e+09,'rejected',400,'HTTP 400',NULL,NULL,NULL,NULL,NULL,NULL,16311.273473145,'48da08e8-7907-4387-81d0-046b7dda647e','vm',NULL);
INSERT INTO "attempt" VALUES('dlv_01m8xnve7dgkg6s2b3tndxpqgmjrnygjec',1,1.79629232767524528e+09,1.79629232769377112e+09,'unknown',NULL,'127.0.0.1: the connection was closed before an answer',NULL,NULL,NULL,NULL,NULL,NULL,16311.291105238,'48da08e8-7907-4387-81d0-046b7dda647e','vm',NULL);
INSERT INTO "attempt" VALUES('dlv_01m8xnve81r15k2tnepemcv368nbd6lfkb',1,1.79629232768361711e+09,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,16311.299477329,'48da08e8-7907-4387-81d0-046b7dda647e','vm',1.79629232750276184e+09);
INSERT INTO "attempt" VALUES('dlv_01m8xnve8mqkdeky8hmn52zmctbe6adw3t',1,1.79629232770211601e+09,1.79629232774100446e+09,'started',200,NULL,'M4PHPwewSVZ8rz738JXZGx',NULL,NULL,NULL,NULL,NULL,16311.317976003,'48da08e8-7907-4387-81d0-046b7dda647e','vm',NULL);
INSERT INTO "attempt" VALUES('dlv_01m8xnve8qzfd6yp68s63aerm7vzpdifgh',1,1.79629232771058464e+09,1.79629232771609306e+09,'rejected',400,'HTTP 400',NULL,NULL,NULL,NULL,NULL,NULL,16311.326444537,'48da08e8-7907-4387-81d0-046b7dda647e','vm',1.79629232752972912e+09);
INSERT INTO "attempt" VALUES('dlv_01m8xnve92rv4axy2zstkc17pavzpdifgh',1,1.79629232771609306e+09,1.79629232772100567e+09,'rejected',400,'HTTP 400',NULL,NULL,NULL,NULL,NULL,NULL,16311.331953537,'48da08e8-7907-4387-81d0-046b7dda647e','vm',1.79629232750015068e+09);
INSERT INTO "attempt" VALUES('dlv_01m8xnve97qvvvb18k42zm4swbvzpdifgh',1,1.79629232774100446e+09,1.79629232775320911e+09,'rejected',400,'HTTP 400',NULL,NULL,NULL,NULL,NULL,NULL,16311.356864635,'48da08e8-7907-4387-81d0-046b7dda647e','vm',1.79629232752015519e+09);
INSERT INTO "attempt" VALUES('dlv_01m8xnvea1vhtcsed914mez0s0vzpdifgh',1,1.7962923277616465e+09,1.79629232777360558e+09,'rejected',400,'HTTP 400',NULL,NULL,NULL,NULL,NULL,NULL,16311.377506828,'48da08e8-7907-4387-81d0-046b7dda647e','vm',1.79629232750861096e+09);
INSERT INTO "attempt" VALUES('dlv_01m8xnveamsdh35p8hnygr2f4wbov2sf5g',1,1.79629232776717329e+09,1.7962923277857182e+09,'rejected',400,'HTTP 400',NULL,NULL,NULL,NULL,NULL,NULL,16311.383033625,'48da08e8-7907-4387-81d0-046b7dda647e','vm',1.79629232749793839e+09);
INSERT INTO "attempt" VALUES('dlv_01m8xnveay8pdshqte8n648mhx4hu4filg',1,1796292327.80261,1.79629232783240342e+09,'started',200,NULL,'gZ5JP2nS7XT3QutHrswGta',NULL,NULL,NULL,NULL,NULL,16311.418470208,'48da08e8-7907-4387-81d0-046b7dda647e','vm',1.79629232750197768e+09);
CREATE TABLE audit (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	at FLOAT NOT NULL, 
	actor TEXT NOT NULL, 
	action TEXT NOT NULL, 
	subject TEXT, 
	client TEXT, 
	CONSTRAINT pk_audit PRIMARY KEY (seq), 
	UNIQUE (id)
);
INSERT INTO "audit" VALUES(1,'aud_01m8xnvk0wcd2x5vzb6fxtt39v',1.79629233257200598e+09,'maker@stores','token_added','tok_01m8xnvk0tmkb3ck207gy6dzmq grafana (read,bodies,act)',NULL);
CREATE TABLE circuit (
	platform TEXT NOT NULL, 
	failures INTEGER NOT NULL, 
	open_for FLOAT NOT NULL, 
	open_until FLOAT, 
	probe_until FLOAT, 
	allowance INTEGER, 
	raise_at FLOAT NOT NULL, 
	raise_for FLOAT NOT NULL, 
	not_before FLOAT NOT NULL, 
	reason TEXT, 
	changed_at FLOAT NOT NULL, 
	CONSTRAINT pk_circuit PRIMARY KEY (platform)
)
 WITHOUT ROWID

;
INSERT INTO "circuit" VALUES('busy',1,0.0,NULL,NULL,NULL,0.0,0.0,0.0,'HTTP 425',1.79629232768361711e+09);
INSERT INTO "circuit" VALUES('silent',1,0.0,NULL,NULL,NULL,0.0,0.0,0.0,'127.0.0.1: the connection was closed before an answer',1.79629232769377112e+09);
CREATE TABLE config (
	hash TEXT NOT NULL, 
	canonical TEXT NOT NULL, 
	seen_at FLOAT NOT NULL, 
	CONSTRAINT pk_config PRIMARY KEY (hash)
);
INSERT INTO "config" VALUES('8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3','{"config":{"platforms":{"busy":{"type":"http","url":"${env:PLATFORM_URL}/busy"},"local":{"type":"local"},"refusing":{"type":"http","url":"${env:PLATFORM_URL}/refusing"},"silent":{"type":"http","url":"${env:PLATFORM_URL}/silent"},"slow":{"type":"http","url":"${env:PLATFORM_URL}/slow"}},"routes":[{"flow":"local/echo","inputs":{"order":"${body.order}"},"name":"echo","on":"shop echo"},{"flow":"busy/order","inputs":{"order":"${body.order}"},"name":"retried","on":"shop retried","retry":{"attempts":12,"first":"1h","max":"6h"}},{"flow":"refusing/order","inputs":{"order":"${body.order}"},"name":"refused","on":"shop refused"},{"flow":"silent/order","inputs":{"order":"${body.order}"},"name":"unknown","on":"shop unknown","on_unknown":"hold"},{"flow":"slow/order","inputs":{"order":"${body.order}"},"name":"begun","on":"shop begun"},{"flow":"refusing/order","inputs":{"order":"${body.order}"},"name":"ordered","on":"shop ordered","on_dead":"block","order_by":"body.order"},{"debounce":{"key":"body.order","wait":"1h"},"flow":"local/echo","inputs":{"order":"${body.order}"},"name":"debounced","on":"shop debounced"},{"delay":"1h","flow":"local/echo","inputs":{"order":"${body.order}"},"name":"delayed","on":"shop delayed"},{"flow":"local/echo","name":"messages","on":"contact"}],"sources":{"contact":{"files":true,"provider":"form"},"shop":{"event_id":"body:id","event_type":"body:kind","provider":"token","secret":"${env:SHOP_TOKEN}","verify":{"header":"X-Token"}}},"version":1},"schemas":{}}',1.79629233799288868e+09);
CREATE TABLE daily_bytes (
	source TEXT NOT NULL, 
	day INTEGER NOT NULL, 
	bytes BIGINT NOT NULL, 
	CONSTRAINT pk_daily_bytes PRIMARY KEY (source)
)
 WITHOUT ROWID

;
INSERT INTO "daily_bytes" VALUES('contact',20790,514);
CREATE TABLE deleted_id (
	source TEXT NOT NULL, 
	provider_id TEXT NOT NULL, 
	event_id TEXT NOT NULL, 
	received_at FLOAT NOT NULL, 
	expires_at FLOAT NOT NULL, 
	CONSTRAINT pk_deleted_id PRIMARY KEY (source, provider_id)
)
 WITHOUT ROWID

;
CREATE TABLE delivery (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	event_id TEXT NOT NULL, 
	route TEXT NOT NULL, 
	flow TEXT NOT NULL, 
	platform TEXT NOT NULL, 
	saved_item_id TEXT NOT NULL, 
	status TEXT NOT NULL, 
	reason TEXT, 
	attempts INTEGER DEFAULT '0' NOT NULL, 
	throttled INTEGER DEFAULT '0' NOT NULL, 
	created_at FLOAT NOT NULL, 
	due_at FLOAT NOT NULL, 
	delivered_at FLOAT, 
	finished_at FLOAT, 
	config_hash TEXT NOT NULL, 
	retry_attempts INTEGER NOT NULL, 
	retry_first FLOAT NOT NULL, 
	retry_max FLOAT NOT NULL, 
	on_unknown TEXT NOT NULL, 
	run_timeout FLOAT NOT NULL, 
	lease TEXT, 
	lease_until FLOAT, 
	slot BOOLEAN DEFAULT (false) NOT NULL, 
	poll_at FLOAT, 
	polls INTEGER DEFAULT '0' NOT NULL, 
	run_id TEXT, 
	run_url TEXT, 
	run_state TEXT, 
	raw_state TEXT, 
	whole_body BOOLEAN DEFAULT (false) NOT NULL, 
	inputs TEXT, 
	outputs TEXT, 
	log TEXT, dead_kind TEXT CONSTRAINT ck_delivery_dead_kind CHECK (dead_kind IN ('ours', 'platform', 'person')), on_run_failed TEXT DEFAULT 'ignore' NOT NULL, run_retries INTEGER DEFAULT '0' NOT NULL, reruns INTEGER DEFAULT '0' NOT NULL, order_key TEXT, order_until TEXT DEFAULT 'run_end' NOT NULL, order_blocks BOOLEAN DEFAULT (false) NOT NULL, holds_key BOOLEAN DEFAULT (false) NOT NULL, debounce_key TEXT, debounce_until FLOAT, merged_into TEXT, evidence TEXT, 
	CONSTRAINT pk_delivery PRIMARY KEY (seq), 
	CONSTRAINT ck_delivery_run_state CHECK (run_state IN ('queued', 'running', 'done', 'failed', 'terminated')), 
	CONSTRAINT ck_delivery_status CHECK (status IN ('queued', 'sending', 'delivered', 'unknown', 'dead', 'blocked', 'cancelled', 'shadow')), 
	UNIQUE (id)
);
INSERT INTO "delivery" VALUES(1,'dlv_01m8xnve6pksw4ktqpshfcwzyeurbsiy5w','evt_01m8xnve6pksw4ktqpshfcwzye','retried','busy/order','busy','order','queued','HTTP 425',1,0,1.79629232763845038e+09,1.79629375439861154e+09,NULL,NULL,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',12,3600.0,21600.0,'retry',3600.0,NULL,NULL,0,NULL,0,NULL,NULL,NULL,NULL,0,'{"order":"A-1"}',NULL,NULL,NULL,'ignore',0,0,NULL,'run_end',0,0,NULL,NULL,NULL,NULL);
INSERT INTO "delivery" VALUES(2,'dlv_01m8xnve72fwwcmkh7mggge4mgvzpdifgh','evt_01m8xnve72fwwcmkh7mggge4mg','refused','refusing/order','refusing','order','dead','HTTP 400',1,0,1.79629232765063357e+09,1.79629232765063357e+09,NULL,1.79629232768361711e+09,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',12,5.0,21600.0,'retry',3600.0,NULL,NULL,0,NULL,0,NULL,NULL,NULL,NULL,0,'{"order":"A-1"}',NULL,NULL,'platform','ignore',0,0,NULL,'run_end',0,0,NULL,NULL,NULL,NULL);
INSERT INTO "delivery" VALUES(3,'dlv_01m8xnve7dgkg6s2b3tndxpqgmjrnygjec','evt_01m8xnve7dgkg6s2b3tndxpqgm','unknown','silent/order','silent','order','unknown','127.0.0.1: the connection was closed before an answer',1,0,1.79629232766196393e+09,1.79629232766196393e+09,NULL,NULL,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',12,5.0,21600.0,'hold',3600.0,NULL,NULL,0,NULL,0,NULL,NULL,NULL,NULL,0,'{"order":"A-1"}',NULL,NULL,NULL,'ignore',0,0,NULL,'run_end',0,0,NULL,NULL,NULL,NULL);
INSERT INTO "delivery" VALUES(4,'dlv_01m8xnve81r15k2tnepemcv368nbd6lfkb','evt_01m8xnve81r15k2tnepemcv368','begun','slow/order','slow','order','sending',NULL,0,0,1.79629232768138122e+09,1.79629232768138122e+09,NULL,NULL,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',12,5.0,21600.0,'retry',3600.0,'vm:9904:5ec4b99f:2',1.79629234073677229e+09,1,NULL,0,NULL,NULL,NULL,NULL,0,'{"order":"A-1"}',NULL,NULL,NULL,'ignore',0,0,NULL,'run_end',0,0,NULL,NULL,NULL,NULL);
INSERT INTO "delivery" VALUES(5,'dlv_01m8xnve8541h0e4y584f2a7k1jvxgke7t','evt_01m8xnve8541h0e4y584f2a7k1','debounced','local/echo','local','echo','queued',NULL,0,0,1.79629232768581247e+09,1.79629592768581247e+09,NULL,NULL,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',12,5.0,21600.0,'retry',3600.0,NULL,NULL,0,NULL,0,NULL,NULL,NULL,NULL,0,'{"order":"A-1"}',NULL,NULL,NULL,'ignore',0,0,NULL,'run_end',0,0,'A-1',1.79632832768581247e+09,NULL,NULL);
INSERT INTO "delivery" VALUES(6,'dlv_01m8xnve8gj0bbxr74z8fj6g10xr6fqi65','evt_01m8xnve8gj0bbxr74z8fj6g10','delayed','local/echo','local','echo','queued',NULL,0,0,1.79629232769633603e+09,1.79629592769633603e+09,NULL,NULL,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',12,5.0,21600.0,'retry',3600.0,NULL,NULL,0,NULL,0,NULL,NULL,NULL,NULL,0,'{"order":"A-1"}',NULL,NULL,NULL,'ignore',0,0,NULL,'run_end',0,0,NULL,NULL,NULL,NULL);
INSERT INTO "delivery" VALUES(7,'dlv_01m8xnve8mqkdeky8hmn52zmctbe6adw3t','evt_01m8xnve8mqkdeky8hmn52zmct','echo','local/echo','local','echo','delivered',NULL,1,0,1.79629232770012688e+09,1.79629232770012688e+09,1.79629232774100446e+09,1.79629232777360606e+09,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',12,5.0,21600.0,'retry',3600.0,NULL,NULL,0,NULL,1,'M4PHPwewSVZ8rz738JXZGx','http://127.0.0.1:18481/console/runs?run_id=M4PHPwewSVZ8rz738JXZGx&flow_id=echo','done','DONE',0,'{"order":"A-1"}','{"order":"A-1"}',NULL,NULL,'ignore',0,0,NULL,'run_end',0,0,NULL,NULL,NULL,NULL);
INSERT INTO "delivery" VALUES(8,'dlv_01m8xnve8qzfd6yp68s63aerm7vzpdifgh','evt_01m8xnve8qzfd6yp68s63aerm7','refused','refusing/order','refusing','order','dead','HTTP 400',1,0,1.796292327703336e+09,1.796292327703336e+09,NULL,1.79629232771609306e+09,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',12,5.0,21600.0,'retry',3600.0,NULL,NULL,0,NULL,0,NULL,NULL,NULL,NULL,0,'{"order":"A-1"}',NULL,NULL,'platform','ignore',0,0,NULL,'run_end',0,0,NULL,NULL,NULL,NULL);
INSERT INTO "delivery" VALUES(9,'dlv_01m8xnve92rv4axy2zstkc17pavzpdifgh','evt_01m8xnve92rv4axy2zstkc17pa','refused','refusing/order','refusing','order','dead','HTTP 400',1,0,1.79629232771497344e+09,1.79629232771497344e+09,NULL,1.79629232772100567e+09,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',12,5.0,21600.0,'retry',3600.0,NULL,NULL,0,NULL,0,NULL,NULL,NULL,NULL,0,'{"order":"A-1"}',NULL,NULL,'platform','ignore',0,0,NULL,'run_end',0,0,NULL,NULL,NULL,NULL);
INSERT INTO "delivery" VALUES(10,'dlv_01m8xnve97qvvvb18k42zm4swbvzpdifgh','evt_01m8xnve97qvvvb18k42zm4swb','refused','refusing/order','refusing','order','dead','HTTP 400',1,0,1.79629232771948313e+09,1.79629232771948313e+09,NULL,1.79629232775320911e+09,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',12,5.0,21600.0,'retry',3600.0,NULL,NULL,0,NULL,0,NULL,NULL,NULL,NULL,0,'{"order":"A-1"}',NULL,NULL,'platform','ignore',0,0,NULL,'run_end',0,0,NULL,NULL,NULL,NULL);
INSERT INTO "delivery" VALUES(11,'dlv_01m8xnvea1vhtcsed914mez0s0vzpdifgh','evt_01m8xnvea1vhtcsed914mez0s0','refused','refusing/order','refusing','order','dead','HTTP 400',1,0,1.79629232774574708e+09,1.79629232774574708e+09,NULL,1.79629232777360558e+09,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',12,5.0,21600.0,'retry',3600.0,NULL,NULL,0,NULL,0,NULL,NULL,NULL,NULL,0,'{"order":"A-1"}',NULL,NULL,'platform','ignore',0,0,NULL,'run_end',0,0,NULL,NULL,NULL,NULL);
INSERT INTO "delivery" VALUES(12,'dlv_01m8xnveamsdh35p8hnygr2f4wbov2sf5g','evt_01m8xnveamsdh35p8hnygr2f4w','ordered','refusing/order','refusing','order','dead','HTTP 400',1,0,1.79629232776483917e+09,1.79629232776483917e+09,NULL,1.7962923277857182e+09,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',12,5.0,21600.0,'retry',3600.0,NULL,NULL,0,NULL,0,NULL,NULL,NULL,NULL,0,'{"order":"A-1"}',NULL,NULL,'platform','ignore',0,0,'A-1','run_end',1,1,NULL,NULL,NULL,NULL);
INSERT INTO "delivery" VALUES(13,'dlv_01m8xnvearngvwhk56v5btsj95bov2sf5g','evt_01m8xnvearngvwhk56v5btsj95','ordered','refusing/order','refusing','order','blocked',NULL,0,0,1.79629232776806187e+09,1.79629232776806187e+09,NULL,NULL,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',12,5.0,21600.0,'retry',3600.0,NULL,NULL,0,NULL,0,NULL,NULL,NULL,NULL,0,'{"order":"A-1"}',NULL,NULL,NULL,'ignore',0,0,'A-1','run_end',1,0,NULL,NULL,NULL,NULL);
INSERT INTO "delivery" VALUES(14,'dlv_01m8xnveay8pdshqte8n648mhx4hu4filg','evt_01m8xnveay8pdshqte8n648mhx','messages','local/echo','local','echo','delivered',NULL,1,0,1.79629232777488327e+09,1.79629232777488327e+09,1.79629232783240342e+09,1.79629232784629797e+09,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',12,5.0,21600.0,'retry',3600.0,NULL,NULL,0,NULL,1,'gZ5JP2nS7XT3QutHrswGta','http://127.0.0.1:18481/console/runs?run_id=gZ5JP2nS7XT3QutHrswGta&flow_id=echo','done','DONE',1,'{"message":"delivered","photo":{"field":"photo","name":"photo.txt","type":"text/plain","size":12,"sha256":"58831986bf022035197bd05d44de7eb9b1f5a6cac36994a862a7164c5ead0b41"}}','{"message":"delivered","photo":"evt_01m8xnveay8pdshqte8n648mhx-1-photo.txt"}',NULL,NULL,'ignore',0,0,NULL,'run_end',0,0,NULL,NULL,NULL,NULL);
INSERT INTO "delivery" VALUES(15,'dlv_01m8xnve72fwwcmkh7mggge4mg7suv477w','evt_01m8xnve72fwwcmkh7mggge4mg','refused','refusing/order','refusing','order','queued',NULL,0,0,1.7962923335697875e+09,1.7962923335697875e+09,NULL,NULL,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',12,5.0,21600.0,'retry',3600.0,NULL,NULL,0,NULL,0,NULL,NULL,NULL,NULL,0,'{"order":"A-1"}',NULL,NULL,NULL,'ignore',0,0,NULL,'run_end',0,0,NULL,NULL,NULL,NULL);
INSERT INTO "delivery" VALUES(16,'dlv_01m8xnve8qzfd6yp68s63aerm77suv477w','evt_01m8xnve8qzfd6yp68s63aerm7','refused','refusing/order','refusing','order','queued',NULL,0,0,1.79629233357838177e+09,1.79629233357838177e+09,NULL,NULL,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',12,5.0,21600.0,'retry',3600.0,NULL,NULL,0,NULL,0,NULL,NULL,NULL,NULL,0,'{"order":"A-1"}',NULL,NULL,NULL,'ignore',0,0,NULL,'run_end',0,0,NULL,NULL,NULL,NULL);
INSERT INTO "delivery" VALUES(17,'dlv_01m8xnvp9yn1gj72hr1pkyctjgbe6adw3t','evt_01m8xnvp9yn1gj72hr1pkyctjg','echo','local/echo','local','echo','queued',NULL,0,0,1.79629233593411946e+09,1.79629233593411946e+09,NULL,NULL,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',12,5.0,21600.0,'retry',3600.0,NULL,NULL,0,NULL,0,NULL,NULL,NULL,NULL,0,'{"order":"A-1"}',NULL,NULL,NULL,'ignore',0,0,NULL,'run_end',0,0,NULL,NULL,NULL,NULL);
INSERT INTO "delivery" VALUES(18,'dlv_01m8xnvpaam7655aj9bk67pq2z4hu4filg','evt_01m8xnvpaam7655aj9bk67pq2z','messages','local/echo','local','echo','queued',NULL,0,0,1.79629233594631433e+09,1.79629233594631433e+09,NULL,NULL,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',12,5.0,21600.0,'retry',3600.0,NULL,NULL,0,NULL,0,NULL,NULL,NULL,NULL,1,'{"message":"waits","photo":{"field":"photo","name":"photo.txt","type":"text/plain","size":12,"sha256":"58831986bf022035197bd05d44de7eb9b1f5a6cac36994a862a7164c5ead0b41"}}',NULL,NULL,NULL,'ignore',0,0,NULL,'run_end',0,0,NULL,NULL,NULL,NULL);
INSERT INTO "delivery" VALUES(19,'dlv_01m8xnvrfgdpwm5jmdc617mpsfbe6adw3t','evt_01m8xnvrfgdpwm5jmdc617mpsf','echo','local/echo','local','echo','queued',NULL,0,0,1.79629233816009807e+09,1.79629233816009807e+09,NULL,NULL,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',12,5.0,21600.0,'retry',3600.0,NULL,NULL,0,NULL,0,NULL,NULL,NULL,NULL,0,'$fb1$54f9d21a$IF4M78AtsFct6EFLYoDx6RKx73Y9U9SPrGYCSP-b3GFUtlogw8iTX6mGkUGCzKwal3ayZnjrhxnyvhvPRSU=',NULL,NULL,NULL,'ignore',0,0,NULL,'run_end',0,0,NULL,NULL,NULL,NULL);
CREATE TABLE event (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	source TEXT NOT NULL, 
	provider TEXT NOT NULL, 
	type TEXT, 
	provider_id TEXT, 
	received_at FLOAT NOT NULL, 
	config_hash TEXT NOT NULL, 
	problem TEXT, 
	same_body_as TEXT, 
	duplicates INTEGER DEFAULT '0' NOT NULL, 
	body_sha256 TEXT NOT NULL, 
	headers TEXT NOT NULL, 
	query_string TEXT NOT NULL, 
	body BLOB NOT NULL, sender_retry INTEGER, files TEXT, spam TEXT, client TEXT, 
	CONSTRAINT pk_event PRIMARY KEY (seq), 
	UNIQUE (id)
);
INSERT INTO "event" VALUES(1,'evt_01m8xnve6pksw4ktqpshfcwzye','shop','token','retried','retried-1',1.79629232763845038e+09,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',NULL,NULL,0,'78f01d5e8091f23d228a463e4aeb4ba9d29fef6eb11205c36a0ca777d7d5d627','{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}','',X'7B226B696E64223A202272657472696564222C20226964223A2022726574726965642D31222C20226F72646572223A2022412D31227D',NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(2,'evt_01m8xnve72fwwcmkh7mggge4mg','shop','token','refused','refused-1',1.79629232765063357e+09,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',NULL,NULL,0,'ff18fd763454a5bc060a0865bde0f27d0336e7818bf1a36324cadfb597008c58','{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}','',X'7B226B696E64223A202272656675736564222C20226964223A2022726566757365642D31222C20226F72646572223A2022412D31227D',NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(3,'evt_01m8xnve7dgkg6s2b3tndxpqgm','shop','token','unknown','unknown-1',1.79629232766196393e+09,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',NULL,NULL,0,'a8aa495a844eadb527b18d724ee16dea48fb5a407c5a6a0bd7486c61e05f8dc8','{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}','',X'7B226B696E64223A2022756E6B6E6F776E222C20226964223A2022756E6B6E6F776E2D31222C20226F72646572223A2022412D31227D',NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(4,'evt_01m8xnve81r15k2tnepemcv368','shop','token','begun','begun-1',1.79629232768138122e+09,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',NULL,NULL,0,'74ce7470091dad538c939e6ee448e81fbb579312241a8a83e0672afc7eae0256','{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}','',X'7B226B696E64223A2022626567756E222C20226964223A2022626567756E2D31222C20226F72646572223A2022412D31227D',NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(5,'evt_01m8xnve8541h0e4y584f2a7k1','shop','token','debounced','debounced-1',1.79629232768581247e+09,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',NULL,NULL,0,'86a0603cc20bde7ff8df8d2b45081e6d28e2d3808a699725c13740deee1d9e3e','{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}','',X'7B226B696E64223A20226465626F756E636564222C20226964223A20226465626F756E6365642D31222C20226F72646572223A2022412D31227D',NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(6,'evt_01m8xnve8gj0bbxr74z8fj6g10','shop','token','delayed','delayed-1',1.79629232769633603e+09,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',NULL,NULL,0,'810bb89464a6c7687b2548487e4228e9454d48de19d5c2b13485bfe740a0a097','{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}','',X'7B226B696E64223A202264656C61796564222C20226964223A202264656C617965642D31222C20226F72646572223A2022412D31227D',NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(7,'evt_01m8xnve8mqkdeky8hmn52zmct','shop','token','echo','echo-1',1.79629232770012688e+09,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',NULL,NULL,0,'935fff4552b9281201a592e31bb63e81edb325814a4376a3253dd8e20c1d4d2e','{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}','',X'7B226B696E64223A20226563686F222C20226964223A20226563686F2D31222C20226F72646572223A2022412D31227D',NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(8,'evt_01m8xnve8qzfd6yp68s63aerm7','shop','token','refused','refused-2',1.796292327703336e+09,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',NULL,NULL,0,'c99bfc9ae613f0471f23d3fbee9c88494c4c6a5fbc95b1b5b41ab20d60a97495','{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}','',X'7B226B696E64223A202272656675736564222C20226964223A2022726566757365642D32222C20226F72646572223A2022412D31227D',NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(9,'evt_01m8xnve92rv4axy2zstkc17pa','shop','token','refused','refused-3',1.79629232771497344e+09,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',NULL,NULL,0,'1c6572a116eb829ff32138c59479d5eaa5e4bdd4a71b8ed9186a3f9e19dee3f2','{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}','',X'7B226B696E64223A202272656675736564222C20226964223A2022726566757365642D33222C20226F72646572223A2022412D31227D',NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(10,'evt_01m8xnve97qvvvb18k42zm4swb','shop','token','refused','refused-4',1.79629232771948313e+09,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',NULL,NULL,0,'33baf747768bdd1aa4f0bc5f861287a07642ff05a4ff8563d3e5abeafc9c9b32','{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}','',X'7B226B696E64223A202272656675736564222C20226964223A2022726566757365642D34222C20226F72646572223A2022412D31227D',NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(11,'evt_01m8xnvea1vhtcsed914mez0s0','shop','token','refused','refused-5',1.79629232774574708e+09,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',NULL,NULL,0,'3f9a8a6fee7723e712d62ef926c29fa03b3183e65875a031bb9be65848b22c5d','{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}','',X'7B226B696E64223A202272656675736564222C20226964223A2022726566757365642D35222C20226F72646572223A2022412D31227D',NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(12,'evt_01m8xnveamsdh35p8hnygr2f4w','shop','token','ordered','ordered-1',1.79629232776483917e+09,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',NULL,NULL,0,'9c86a5c40bb12a8d9195a07d1f56be8ce12e830aed29b61f79f4f68b546d4c8c','{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}','',X'7B226B696E64223A20226F726465726564222C20226964223A20226F7264657265642D31222C20226F72646572223A2022412D31227D',NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(13,'evt_01m8xnvearngvwhk56v5btsj95','shop','token','ordered','ordered-2',1.79629232776806187e+09,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',NULL,NULL,0,'376509948dbe86f9fb8f33442460165c9fc058918524709a8217f3183a5a7ecc','{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}','',X'7B226B696E64223A20226F726465726564222C20226964223A20226F7264657265642D32222C20226F72646572223A2022412D31227D',NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(14,'evt_01m8xnveay8pdshqte8n648mhx','contact','form',NULL,NULL,1.79629232777488327e+09,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',NULL,NULL,0,'9556a329f6e048c20ccbdc14a3db222e639c6f5b12b03d3e28a442dd629b9f4e','{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","accept":"application/json","connection":"close","content-type":"multipart/form-data; boundary=x"}','',X'2D2D780D0A436F6E74656E742D446973706F736974696F6E3A20666F726D2D646174613B206E616D653D226D657373616765220D0A0D0A64656C6976657265640D0A2D2D780D0A436F6E74656E742D446973706F736974696F6E3A20666F726D2D646174613B206E616D653D2270686F746F223B2066696C656E616D653D2270686F746F2E747874220D0A436F6E74656E742D547970653A20746578742F706C61696E0D0A0D0A2831322062797465732C207368613235362035383833313938366266303232303335313937626430356434346465376562396231663561366361633336393934613836326137313634633565616430623431290D0A2D2D782D2D0D0A',NULL,'[{"field":"photo","name":"photo.txt","type":"text/plain","size":12,"sha256":"58831986bf022035197bd05d44de7eb9b1f5a6cac36994a862a7164c5ead0b41"}]',NULL,'127.0.0.0/24');
INSERT INTO "event" VALUES(15,'evt_01m8xnvp9yn1gj72hr1pkyctjg','shop','token','echo','echo-2',1.79629233593411946e+09,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',NULL,NULL,0,'d0def3bb3b358e0e18412dbaf3bbce1f15737f25afc89b0f400295b5ab859dcf','{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}','',X'7B226B696E64223A20226563686F222C20226964223A20226563686F2D32222C20226F72646572223A2022412D31227D',NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(16,'evt_01m8xnvpaam7655aj9bk67pq2z','contact','form',NULL,NULL,1.79629233594631433e+09,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',NULL,NULL,0,'186ed25c4726ddb17deb2e35c0593a7bb2a97d193c0dac86bdcddc4236eb03c6','{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","accept":"application/json","connection":"close","content-type":"multipart/form-data; boundary=x"}','',X'2D2D780D0A436F6E74656E742D446973706F736974696F6E3A20666F726D2D646174613B206E616D653D226D657373616765220D0A0D0A77616974730D0A2D2D780D0A436F6E74656E742D446973706F736974696F6E3A20666F726D2D646174613B206E616D653D2270686F746F223B2066696C656E616D653D2270686F746F2E747874220D0A436F6E74656E742D547970653A20746578742F706C61696E0D0A0D0A2831322062797465732C207368613235362035383833313938366266303232303335313937626430356434346465376562396231663561366361633336393934613836326137313634633565616430623431290D0A2D2D782D2D0D0A',NULL,'[{"field":"photo","name":"photo.txt","type":"text/plain","size":12,"sha256":"58831986bf022035197bd05d44de7eb9b1f5a6cac36994a862a7164c5ead0b41"}]',NULL,'127.0.0.0/24');
INSERT INTO "event" VALUES(17,'evt_01m8xnvrfgdpwm5jmdc617mpsf','shop','token','echo','echo-3',1.79629233816009807e+09,'8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3',NULL,NULL,0,'hmac:ed7f6160f4cb190f11309e8c9aec808362e8d38d2c02f5e985f5fdd172cb5ee6','$fb1$54f9d21a$IF4M78AtsFct6EFLYoDx6VId1zmd3a2QHqgi2XV7EAToIQdpfEt4jLWM2lAxZiPHhC0cvjqpnXltGmrnVDAAsxK0UYHpWVtqZ7XHMlOKqZmQVqi8jzzag51Rp0M_B0iQGGqX9kvYZcuy_6n1G1OMfLux3NRhB4NVfuSQwvY-xY2QM1ki57jfDoe_W4Y6PNLkr7YHIrPiikJalHg10iZD-Ppb_9FTjIt5kS_fvnGoykakavbvCgr_97IVJeR1rCPz6WMnKSsDihmEjaS9','',X'2466623124353466396432316124205E0CEFC02DB0572DE8414B6280F1E982B8C372C5EB291BE29D5207310560C02AF4109B08F80DD43851D8DB3ADD747244FAEBEB3F87363DDA4BDA7AB1E530936CAA06BB7B871DD128E1E264BA9C981C993FE9DFDC8CD6C926E61F1D4DC1B3',NULL,NULL,NULL,NULL);
CREATE TABLE expected (
	source TEXT NOT NULL, 
	since FLOAT NOT NULL, 
	CONSTRAINT pk_expected PRIMARY KEY (source)
)
 WITHOUT ROWID

;
CREATE TABLE form_files (
	source TEXT NOT NULL, 
	bytes BIGINT NOT NULL, 
	CONSTRAINT pk_form_files PRIMARY KEY (source)
)
 WITHOUT ROWID

;
INSERT INTO "form_files" VALUES('contact',24);
CREATE TABLE hold (
	what TEXT NOT NULL, 
	since FLOAT NOT NULL, 
	reason TEXT NOT NULL, 
	CONSTRAINT pk_hold PRIMARY KEY (what)
)
 WITHOUT ROWID

;
CREATE TABLE learned (
	source TEXT NOT NULL, 
	until FLOAT, 
	sealed TEXT, 
	learned_at FLOAT, 
	CONSTRAINT pk_learned PRIMARY KEY (source)
)
 WITHOUT ROWID

;
CREATE TABLE local_file (
	user_id TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	size BIGINT NOT NULL, 
	created_at FLOAT NOT NULL, 
	CONSTRAINT pk_local_file PRIMARY KEY (user_id, run_id, name)
)
 WITHOUT ROWID

;
INSERT INTO "local_file" VALUES('a72605ad361b479f72504ec85e87','','evt_01m8xnveay8pdshqte8n648mhx-1-photo.txt','58831986bf022035197bd05d44de7eb9b1f5a6cac36994a862a7164c5ead0b41',12,1.79629232781292676e+09);
CREATE TABLE local_flow (
	id TEXT NOT NULL, 
	workbook TEXT NOT NULL, 
	described TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	CONSTRAINT pk_local_flow PRIMARY KEY (id)
)
 WITHOUT ROWID

;
INSERT INTO "local_flow" VALUES('append_csv','ready-made','{"description":"Appends the time and the inputs as a row to the CSV `file` in `files` of the data folder.\n\nThe first row names the columns: `received_at`, then the inputs in their order, then each of\n`fields`. An input without a column gets a new one at the right end, which is empty in existing\nrows. `bom: false` starts a new file without the mark by which spreadsheets recognize UTF-8.","inputs":[{"name":"file","type":"str","required":false,"default":"events.csv","kind":"text"},{"name":"bom","type":"bool","required":false,"default":true,"kind":"text"},{"name":"fields","type":"dict[str, JSON] | None","required":false,"default":null,"kind":"text"}],"takes_any":true,"idempotent":false,"time_limit":null,"memory":null}',1.7962923275106666e+09);
INSERT INTO "local_flow" VALUES('append_jsonl','ready-made','{"description":"Appends the time and the inputs as a JSON line to `file` in `files` of the data folder.","inputs":[{"name":"file","type":"str","required":false,"default":"events.jsonl","kind":"text"}],"takes_any":true,"idempotent":false,"time_limit":null,"memory":null}',1.7962923275106666e+09);
INSERT INTO "local_flow" VALUES('echo','ready-made','{"description":"Returns its inputs as outputs.","inputs":[],"takes_any":true,"idempotent":true,"time_limit":null,"memory":null}',1.7962923275106666e+09);
INSERT INTO "local_flow" VALUES('fail','ready-made','{"description":"Fails, with `message` in its log.","inputs":[{"name":"message","type":"str","required":false,"default":"failed, as asked","kind":"text"}],"takes_any":false,"idempotent":false,"time_limit":null,"memory":null}',1.7962923275106666e+09);
INSERT INTO "local_flow" VALUES('http_request','ready-made','{"description":"Calls a URL and returns `status`, `headers` and `body` of the answer.\n\nThe returned `body` is a value if the answer is JSON, else text. `query` is added to the URL.\n`json` is sent as JSON, `body` as text. The default `method` is POST with `json` or `body`, else\nGET. A status other than `expect` (default 2xx; or 200, 404, any …) fails the run. Redirects are\nnot followed. Private addresses are refused.","inputs":[{"name":"url","type":"str","required":true,"default":null,"kind":"text"},{"name":"method","type":"str | None","required":false,"default":null,"kind":"text"},{"name":"headers","type":"dict[str, str] | None","required":false,"default":null,"kind":"text"},{"name":"query","type":"dict[str, str] | None","required":false,"default":null,"kind":"text"},{"name":"json","type":"JSON","required":false,"default":null,"kind":"text"},{"name":"body","type":"str | None","required":false,"default":null,"kind":"text"},{"name":"timeout","type":"float","required":false,"default":30.0,"kind":"text"},{"name":"expect","type":"str","required":false,"default":"2xx","kind":"text"}],"takes_any":false,"idempotent":false,"time_limit":600.0,"memory":null}',1.7962923275106666e+09);
INSERT INTO "local_flow" VALUES('send_email','ready-made','{"description":"Sends a mail through the server of FLOWBRIDGE_SMTP_URL.\n\nThe sender is `from_` or FLOWBRIDGE_SMTP_FROM. All recipients get the mail, or none. `to`, `cc`\nand `bcc` are an address (`ada@example.com` or `Ada <ada@example.com>`) or a list of them.\n`text`, `html` or both are the content. Replies go to `reply_to`. `attachments` are uploaded\nfiles, such as those of a form.","inputs":[{"name":"to","type":"str | list[str]","required":true,"default":null,"kind":"text"},{"name":"subject","type":"str","required":true,"default":null,"kind":"text"},{"name":"text","type":"str","required":false,"default":"","kind":"text"},{"name":"html","type":"str","required":false,"default":"","kind":"text"},{"name":"reply_to","type":"str","required":false,"default":"","kind":"text"},{"name":"cc","type":"str | list[str]","required":false,"default":"","kind":"text"},{"name":"bcc","type":"str | list[str]","required":false,"default":"","kind":"text"},{"name":"from_","type":"str","required":false,"default":"","kind":"text"},{"name":"attachments","type":"File | list[File] | None","required":false,"default":null,"kind":"file"}],"takes_any":false,"idempotent":false,"time_limit":900.0,"memory":null}',1.7962923275106666e+09);
INSERT INTO "local_flow" VALUES('slack_message','ready-made','{"description":"Posts a message to Slack through an incoming webhook.\n\nIts URL is `webhook_url`, or FLOWBRIDGE_SLACK_WEBHOOK_URL. The webhook decides the channel;\n`channel` selects another one if the webhook allows it. `*bold*`, `_italic_` and line ends work;\n`<`, `>` and `&` are shown literally, so that a sender''s text can neither mention everyone nor\nhide a link.","inputs":[{"name":"text","type":"str","required":true,"default":null,"kind":"text"},{"name":"channel","type":"str","required":false,"default":"","kind":"text"},{"name":"webhook_url","type":"str","required":false,"default":"","kind":"text"}],"takes_any":false,"idempotent":false,"time_limit":600.0,"memory":null}',1.7962923275106666e+09);
INSERT INTO "local_flow" VALUES('sleep','ready-made','{"description":"Waits for `seconds` (at most 3600) and returns how long it waited.","inputs":[{"name":"seconds","type":"float","required":false,"default":1.0,"kind":"text"}],"takes_any":false,"idempotent":true,"time_limit":null,"memory":null}',1.7962923275106666e+09);
CREATE TABLE local_run (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	saved_item_id TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	idempotency_key TEXT, 
	state TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	started_at FLOAT, 
	finished_at FLOAT, 
	lease TEXT, 
	lease_until FLOAT, 
	inputs TEXT NOT NULL, 
	outputs TEXT, 
	log TEXT, body TEXT, 
	CONSTRAINT pk_local_run PRIMARY KEY (seq), 
	UNIQUE (id)
);
INSERT INTO "local_run" VALUES(1,'M4PHPwewSVZ8rz738JXZGx','echo','a72605ad361b479f72504ec85e87','dlv_01m8xnve8mqkdeky8hmn52zmctbe6adw3t','DONE',1.79629232770619153e+09,1.79629232772100567e+09,1.79629232777360558e+09,NULL,NULL,'{"order":"A-1"}','{"order":"A-1"}','[]',NULL);
INSERT INTO "local_run" VALUES(2,'gZ5JP2nS7XT3QutHrswGta','echo','a72605ad361b479f72504ec85e87','dlv_01m8xnveay8pdshqte8n648mhx4hu4filg','DONE',1.79629232781961655e+09,1.79629232782174777e+09,1.7962923278462975e+09,NULL,NULL,'{"message":"delivered","photo":"evt_01m8xnveay8pdshqte8n648mhx-1-photo.txt"}','{"message":"delivered","photo":"evt_01m8xnveay8pdshqte8n648mhx-1-photo.txt"}','[]',NULL);
CREATE TABLE pace (
	route TEXT NOT NULL, 
	next_at FLOAT NOT NULL, 
	day INTEGER NOT NULL, 
	starts INTEGER NOT NULL, 
	CONSTRAINT pk_pace PRIMARY KEY (route)
)
 WITHOUT ROWID

;
CREATE TABLE recent (
	"key" TEXT NOT NULL, 
	until FLOAT NOT NULL, 
	digest TEXT, 
	event_id TEXT, 
	CONSTRAINT pk_recent PRIMARY KEY ("key")
)
 WITHOUT ROWID

;
INSERT INTO "recent" VALUES('address:640976b6c7f674092c549d0dad5f65f6266a8f5e',1.79629234194631433e+09,NULL,NULL);
INSERT INTO "recent" VALUES('form:42d31cd9f5a3054a5fc49ee4e5130f804e85d12e',1.79629233694631433e+09,NULL,NULL);
INSERT INTO "recent" VALUES('same:38d711b3cb34238a3b6d0ac5ab3394b952411b7d',1.79629293594631433e+09,'87fccb707fdc0037f5bd924c826c046103fb226d0534431aeb0607d95710cc1c','evt_01m8xnvpaam7655aj9bk67pq2z');
INSERT INTO "recent" VALUES('same:c65feddabd2d5def27087dde60095a6445e3c728',1.79629292777488327e+09,'5971f063b3555c9b7ed4c18450cb65c4be23f38a1c23efd636e744120e15ca83','evt_01m8xnveay8pdshqte8n648mhx');
CREATE TABLE refused_submission (
	source TEXT NOT NULL, 
	hour INTEGER NOT NULL, 
	code TEXT NOT NULL, 
	count BIGINT NOT NULL, 
	CONSTRAINT pk_refused_submission PRIMARY KEY (source, hour, code)
)
 WITHOUT ROWID

;
CREATE TABLE reject (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	source TEXT NOT NULL, 
	provider TEXT NOT NULL, 
	received_at FLOAT NOT NULL, 
	reason TEXT NOT NULL, 
	method TEXT NOT NULL, 
	path TEXT NOT NULL, 
	headers TEXT NOT NULL, 
	query_string TEXT NOT NULL, 
	url TEXT NOT NULL, 
	body BLOB NOT NULL, 
	size BIGINT NOT NULL, 
	cut BOOLEAN NOT NULL, 
	client TEXT, 
	readmitted_at FLOAT, 
	event_ids TEXT, 
	CONSTRAINT pk_reject PRIMARY KEY (seq), 
	UNIQUE (id)
);
CREATE TABLE store_clock (
	id INTEGER NOT NULL, 
	at FLOAT NOT NULL, 
	boot_clock FLOAT, 
	boot_id TEXT, 
	host TEXT, 
	step FLOAT, 
	stepped_at FLOAT, 
	CONSTRAINT pk_store_clock PRIMARY KEY (id)
)
 WITHOUT ROWID

;
INSERT INTO "store_clock" VALUES(1,1.79629232762833213e+09,16311.244192513,'48da08e8-7907-4387-81d0-046b7dda647e','vm',NULL,NULL);
CREATE TABLE token (
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	scopes TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	used_at FLOAT, 
	ends_at FLOAT, 
	CONSTRAINT pk_token PRIMARY KEY (id), 
	UNIQUE (name), 
	UNIQUE (hash)
)
 WITHOUT ROWID

;
INSERT INTO "token" VALUES('tok_01m8xnvk0tmkb3ck207gy6dzmq','grafana','0397afc4af967adcede21da3b1cd0b99402a5d650c0dbec310b8202040e4bf44','read,bodies,act',1.79629233257049846e+09,NULL,NULL);
CREATE TABLE trend (
	"key" TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	node TEXT NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_trend PRIMARY KEY ("key", at, node)
)
 WITHOUT ROWID

;
INSERT INTO "trend" VALUES('ack',1796292240,'801d9ef0fc72a8ba','[["0.0025",5.0],["0.005",2.0],["0.01",2.0],["0.025",4.0],["0.05",1.0]]');
INSERT INTO "trend" VALUES('attempts',1796292240,'801d9ef0fc72a8ba','[["busy","refused",1.0],["local","started",2.0],["refusing","rejected",6.0],["silent","unknown",1.0]]');
INSERT INTO "trend" VALUES('deaths',1796292240,'801d9ef0fc72a8ba','[["ordered",1.0],["refused",5.0]]');
INSERT INTO "trend" VALUES('events',1796292240,'801d9ef0fc72a8ba','[["contact","accepted",1.0],["shop","accepted",13.0]]');
INSERT INTO "trend" VALUES('runs',1796292240,'801d9ef0fc72a8ba','[["echo","done",1.0],["messages","done",1.0]]');
CREATE TABLE trend_node (
	node TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	counters TEXT NOT NULL, 
	CONSTRAINT pk_trend_node PRIMARY KEY (node)
)
 WITHOUT ROWID

;
INSERT INTO "trend_node" VALUES('801d9ef0fc72a8ba',1796292240,'{"ack":[["0.0025",5.0],["0.005",2.0],["0.01",2.0],["0.025",4.0],["0.05",1.0]],"attempts":[["busy","refused",1.0],["local","started",2.0],["refusing","rejected",6.0],["silent","unknown",1.0]],"deaths":[["ordered",1.0],["refused",5.0]],"events":[["contact","accepted",1.0],["shop","accepted",13.0]],"refused":[],"rejects":[],"runs":[["echo","done",1.0],["messages","done",1.0]]}');
CREATE TABLE worker (
	id TEXT NOT NULL, 
	host TEXT NOT NULL, 
	pid INTEGER NOT NULL, 
	started_at FLOAT NOT NULL, 
	seen_at FLOAT NOT NULL, 
	CONSTRAINT pk_worker PRIMARY KEY (id)
);
INSERT INTO "worker" VALUES('vm:9904:5ec4b99f','vm',9904,1.79629232765761041e+09,1.79629233073677229e+09);
CREATE INDEX ix_delivery_event ON delivery (event_id);
CREATE INDEX ix_delivery_lease ON delivery (lease_until) WHERE status = 'sending';
CREATE INDEX ix_delivery_poll ON delivery (poll_at) WHERE poll_at IS NOT NULL;
CREATE INDEX ix_delivery_queue ON delivery (platform, route, due_at, seq) WHERE status = 'queued';
CREATE INDEX ix_delivery_stuck ON delivery (status, seq) WHERE status IN ('dead', 'unknown', 'blocked');
CREATE INDEX ix_event_body ON event (source, body_sha256, seq);
CREATE UNIQUE INDEX ix_event_dedup ON event (source, provider_id) WHERE provider_id IS NOT NULL;
CREATE UNIQUE INDEX ix_local_run_key ON local_run (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX ix_local_file_blob ON local_file (sha256);
CREATE INDEX ix_local_run_open ON local_run (state, seq) WHERE state IN ('QUEUED', 'RUNNING', 'TERMINATING');
CREATE INDEX ix_local_run_flow ON local_run (saved_item_id, seq);
CREATE INDEX ix_reject_source ON reject (source, seq);
CREATE INDEX ix_delivery_slot ON delivery (platform, route) WHERE slot;
CREATE UNIQUE INDEX ix_delivery_head ON delivery (route, order_key) WHERE holds_key;
CREATE INDEX ix_delivery_line ON delivery (route, order_key, seq) WHERE status = 'blocked';
CREATE INDEX ix_delivery_merge ON delivery (route, debounce_key) WHERE debounce_until IS NOT NULL;
CREATE INDEX ix_delivery_unknown ON delivery (route) WHERE status = 'unknown';
CREATE INDEX ix_delivery_run ON delivery (run_id) WHERE run_id IS NOT NULL;
CREATE TRIGGER line_up AFTER INSERT ON delivery
WHEN NEW.order_key IS NOT NULL AND NEW.status IN ('queued', 'dead') BEGIN
    UPDATE delivery SET status = 'blocked'
    WHERE seq = NEW.seq AND EXISTS (SELECT 1 FROM delivery WHERE holds_key AND route = NEW.route AND order_key = NEW.order_key);
    UPDATE delivery SET holds_key = true WHERE seq = NEW.seq AND status <> 'blocked';
END;
CREATE TRIGGER merge AFTER INSERT ON delivery
WHEN NEW.debounce_until IS NOT NULL AND NEW.status = 'queued' BEGIN
    UPDATE delivery
    SET debounce_until = (SELECT min(debounce_until) FROM delivery
                          WHERE debounce_until IS NOT NULL AND route = NEW.route AND debounce_key = NEW.debounce_key)
    WHERE seq = NEW.seq;
    UPDATE delivery SET due_at = min(due_at, debounce_until) WHERE seq = NEW.seq;
    UPDATE delivery
    SET status = 'cancelled', debounce_until = NULL, merged_into = NEW.id, finished_at = NEW.created_at,
        reason = 'merged into a later one: ' || NEW.id
    WHERE debounce_until IS NOT NULL AND route = NEW.route AND debounce_key = NEW.debounce_key AND status = 'queued' AND seq <> NEW.seq;
END;
CREATE TRIGGER step BEFORE UPDATE OF status ON delivery
WHEN OLD.status <> NEW.status AND OLD.status || ' ' || NEW.status NOT IN (
    'queued cancelled', 'queued sending', 'sending dead', 'sending delivered', 'sending queued', 'sending unknown',
    'unknown dead', 'unknown delivered', 'unknown queued', 'delivered dead', 'delivered queued', 'blocked cancelled',
    'blocked dead', 'blocked queued', 'dead blocked', 'dead cancelled', 'dead queued', 'cancelled blocked', 'cancelled queued'
)
 AND NOT (NEW.status = 'blocked' AND OLD.order_key IS NOT NULL AND NOT OLD.holds_key) BEGIN -- not that: it has just come, and lines up
    SELECT RAISE(ABORT, 'no step of the ledger');
END;
CREATE INDEX ix_act_item_item ON act_item (item_id);
CREATE INDEX ix_act_item_open ON act_item (act, number) WHERE outcome IS NULL;
CREATE INDEX ix_attempt_run ON attempt (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX ix_attempt_unknown ON attempt (started_at) WHERE outcome = 'unknown';
CREATE INDEX ix_event_spam ON event (source, seq) WHERE spam IS NOT NULL;
CREATE INDEX ix_event_files ON event (seq) WHERE files IS NOT NULL;
CREATE INDEX ix_event_age ON event (source, received_at);
CREATE INDEX ix_reject_readmitted ON reject (readmitted_at) WHERE readmitted_at IS NOT NULL;
CREATE INDEX ix_recent_until ON recent (until);
CREATE INDEX ix_attempt_late ON attempt (late_at) WHERE late_at IS NOT NULL;
CREATE INDEX ix_attempt_boot ON attempt (boot_id, boot_clock) WHERE outcome = 'unknown' AND boot_clock IS NOT NULL;
CREATE INDEX ix_deleted_id_expires ON deleted_id (expires_at);
CREATE VIEW arrival AS
SELECT id, source, provider, type, provider_id, received_at, config_hash, problem, body_sha256, headers, query_string, body,
       sender_retry, files, spam, client, 0.0 AS since, '' AS erased_id, '[]' AS deliveries
FROM event;
CREATE TRIGGER arrive INSTEAD OF INSERT ON arrival BEGIN
    INSERT INTO event (id, source, provider, type, provider_id, received_at, config_hash, problem, body_sha256, headers, query_string,
                       body, sender_retry, files, spam, client, same_body_as)
    SELECT NEW.id, NEW.source, NEW.provider, NEW.type, NEW.provider_id, NEW.received_at, NEW.config_hash, NEW.problem,
           NEW.body_sha256, NEW.headers, NEW.query_string, NEW.body, NEW.sender_retry,
           NEW.files, NEW.spam, NEW.client,
           (SELECT known.id FROM event AS known
            WHERE known.seq = (SELECT max(seq) FROM event WHERE source = NEW.source AND body_sha256 = NEW.body_sha256)
              AND known.received_at > NEW.since)
    WHERE NEW.erased_id IS NULL OR NOT EXISTS (
        SELECT 1 FROM deleted_id WHERE source = NEW.source AND provider_id IN (NEW.provider_id, NEW.erased_id) AND expires_at > NEW.received_at)
    ON CONFLICT (source, provider_id) WHERE provider_id IS NOT NULL DO NOTHING;
    INSERT INTO delivery (id, event_id, route, flow, platform, saved_item_id, status, reason, created_at, due_at, finished_at,
                          config_hash, retry_attempts, retry_first, retry_max, on_unknown, run_timeout, whole_body, inputs,
                          dead_kind, on_run_failed, run_retries, order_key, order_until, order_blocks, debounce_key, debounce_until)
    WITH planned AS MATERIALIZED (SELECT value AS v FROM json_each(NEW.deliveries) WHERE EXISTS (SELECT 1 FROM event WHERE id = NEW.id))
    SELECT v->>0, v->>1, v->>2, v->>3, v->>4, v->>5, v->>6, v->>7, v->>8, v->>9, v->>10, v->>11, v->>12, v->>13, v->>14, v->>15, v->>16,
           v->>17, v->>18, coalesce(v->>19, CASE WHEN v->>6 = 'dead' THEN 'ours' END), coalesce(v->>20, 'ignore'), coalesce(v->>21, 0),
           v->>22, coalesce(v->>23, 'run_end'), coalesce(v->>24, false), v->>25, v->>26
    FROM planned;
END;
CREATE INDEX ix_trend_at ON trend (at);
CREATE UNIQUE INDEX ix_act_request ON act (token, request_key) WHERE request_key IS NOT NULL;
CREATE INDEX ix_act_driver ON act (seq) WHERE driver IS NOT NULL AND finished_at IS NULL;
COMMIT;
