SELECT pg_catalog.set_config('search_path', '', false);
CREATE FUNCTION public.delivery_refuses() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'no step of the ledger: % to %', OLD.status, NEW.status USING ERRCODE = 'check_violation';
END
$$;
CREATE FUNCTION public.delivery_waits() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE earliest double precision;
BEGIN
    IF NEW.order_key IS NOT NULL AND NEW.status IN ('queued', 'dead') THEN
        PERFORM pg_advisory_xact_lock(hashtextextended(NEW.route || ' ' || NEW.order_key, 0));
        IF EXISTS (SELECT 1 FROM delivery WHERE holds_key AND route = NEW.route AND order_key = NEW.order_key) THEN
            NEW.status := 'blocked';
        ELSE
            NEW.holds_key := true;
        END IF;
    ELSIF NEW.debounce_until IS NOT NULL AND NEW.status = 'queued' THEN
        PERFORM pg_advisory_xact_lock(hashtextextended(NEW.route || ' ' || NEW.debounce_key, 1));
        SELECT min(debounce_until) INTO earliest FROM delivery
        WHERE debounce_until IS NOT NULL AND route = NEW.route AND debounce_key = NEW.debounce_key AND status = 'queued';
        NEW.debounce_until := least(NEW.debounce_until, earliest);
        NEW.due_at := least(NEW.due_at, NEW.debounce_until);
        UPDATE delivery
        SET status = 'cancelled', debounce_until = NULL, merged_into = NEW.id, finished_at = NEW.created_at,
            reason = 'merged into a later one: ' || NEW.id
        WHERE debounce_until IS NOT NULL AND route = NEW.route AND debounce_key = NEW.debounce_key AND status = 'queued';
    END IF;
    RETURN NEW;
END
$$;
CREATE TABLE public.act (
    seq bigint NOT NULL,
    id text NOT NULL,
    command text NOT NULL,
    actor text NOT NULL,
    created_at double precision NOT NULL,
    asked text NOT NULL,
    chosen integer,
    done integer DEFAULT 0 NOT NULL,
    refused integer DEFAULT 0 NOT NULL,
    worked_at double precision,
    finished_at double precision,
    resumed text,
    driver text,
    token text,
    request_key text,
    request_digest text,
    counted text,
    proposed_until double precision,
    agreed_at double precision,
    stopped_at double precision
);
CREATE TABLE public.act_item (
    act bigint NOT NULL,
    number integer NOT NULL,
    item_id text NOT NULL,
    outcome text,
    problem text,
    was text,
    became text,
    made text,
    at double precision
);
CREATE SEQUENCE public.act_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.act_seq_seq OWNED BY public.act.seq;
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.alert (
    key text NOT NULL,
    severity text NOT NULL,
    what text NOT NULL,
    "do" text NOT NULL,
    since double precision NOT NULL,
    seen_at double precision NOT NULL,
    raised_at double precision,
    told_at double precision,
    told integer NOT NULL,
    resolved_at double precision
);
CREATE TABLE public.attempt (
    delivery_id text NOT NULL,
    number integer NOT NULL,
    started_at double precision NOT NULL,
    finished_at double precision,
    outcome text,
    status_code integer,
    detail text,
    run_id text,
    run_state text,
    log text,
    run_finished_at double precision,
    outputs text,
    late_at double precision,
    boot_clock double precision,
    boot_id text,
    host text,
    platform_at double precision
);
CREATE TABLE public.audit (
    seq bigint NOT NULL,
    id text NOT NULL,
    at double precision NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject text,
    client text
);
CREATE SEQUENCE public.audit_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.audit_seq_seq OWNED BY public.audit.seq;
CREATE TABLE public.circuit (
    platform text NOT NULL,
    failures integer NOT NULL,
    open_for double precision NOT NULL,
    open_until double precision,
    probe_until double precision,
    allowance integer,
    raise_at double precision NOT NULL,
    raise_for double precision NOT NULL,
    not_before double precision NOT NULL,
    reason text,
    changed_at double precision NOT NULL
);
CREATE TABLE public.config (
    hash text NOT NULL,
    canonical text NOT NULL,
    seen_at double precision NOT NULL
);
CREATE TABLE public.daily_bytes (
    source text NOT NULL,
    day integer NOT NULL,
    bytes bigint NOT NULL
);
CREATE TABLE public.deleted_id (
    source text NOT NULL,
    provider_id text NOT NULL,
    event_id text NOT NULL,
    received_at double precision NOT NULL,
    expires_at double precision NOT NULL
);
CREATE TABLE public.delivery (
    seq bigint NOT NULL,
    id text NOT NULL,
    event_id text NOT NULL,
    route text NOT NULL,
    flow text NOT NULL,
    platform text NOT NULL,
    saved_item_id text NOT NULL,
    status text NOT NULL,
    reason text,
    attempts integer DEFAULT 0 NOT NULL,
    throttled integer DEFAULT 0 NOT NULL,
    created_at double precision NOT NULL,
    due_at double precision NOT NULL,
    delivered_at double precision,
    finished_at double precision,
    config_hash text NOT NULL,
    retry_attempts integer NOT NULL,
    retry_first double precision NOT NULL,
    retry_max double precision NOT NULL,
    on_unknown text NOT NULL,
    run_timeout double precision NOT NULL,
    lease text,
    lease_until double precision,
    slot boolean DEFAULT false NOT NULL,
    poll_at double precision,
    polls integer DEFAULT 0 NOT NULL,
    run_id text,
    run_url text,
    run_state text,
    raw_state text,
    whole_body boolean DEFAULT false NOT NULL,
    inputs text,
    outputs text,
    log text,
    dead_kind text,
    on_run_failed text DEFAULT 'ignore'::text NOT NULL,
    run_retries integer DEFAULT 0 NOT NULL,
    reruns integer DEFAULT 0 NOT NULL,
    order_key text,
    order_until text DEFAULT 'run_end'::text NOT NULL,
    order_blocks boolean DEFAULT false NOT NULL,
    holds_key boolean DEFAULT false NOT NULL,
    debounce_key text,
    debounce_until double precision,
    merged_into text,
    evidence text,
    CONSTRAINT ck_delivery_dead_kind CHECK ((dead_kind = ANY (ARRAY['ours'::text, 'platform'::text, 'person'::text]))),
    CONSTRAINT ck_delivery_run_state CHECK ((run_state = ANY (ARRAY['queued'::text, 'running'::text, 'done'::text, 'failed'::text, 'terminated'::text]))),
    CONSTRAINT ck_delivery_status CHECK ((status = ANY (ARRAY['queued'::text, 'sending'::text, 'delivered'::text, 'unknown'::text, 'dead'::text, 'blocked'::text, 'cancelled'::text, 'shadow'::text])))
);
CREATE SEQUENCE public.delivery_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.delivery_seq_seq OWNED BY public.delivery.seq;
CREATE TABLE public.event (
    seq bigint NOT NULL,
    id text NOT NULL,
    source text NOT NULL,
    provider text NOT NULL,
    type text,
    provider_id text,
    received_at double precision NOT NULL,
    config_hash text NOT NULL,
    problem text,
    same_body_as text,
    duplicates integer DEFAULT 0 NOT NULL,
    body_sha256 text NOT NULL,
    headers text NOT NULL,
    query_string text NOT NULL,
    body bytea NOT NULL,
    sender_retry integer,
    files text,
    spam text,
    client text
);
CREATE SEQUENCE public.event_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.event_seq_seq OWNED BY public.event.seq;
CREATE TABLE public.expected (
    source text NOT NULL,
    since double precision NOT NULL
);
CREATE TABLE public.form_files (
    source text NOT NULL,
    bytes bigint NOT NULL
);
CREATE TABLE public.hold (
    what text NOT NULL,
    since double precision NOT NULL,
    reason text NOT NULL
);
CREATE TABLE public.learned (
    source text NOT NULL,
    until double precision,
    sealed text,
    learned_at double precision
);
CREATE TABLE public.local_file (
    user_id text NOT NULL,
    run_id text NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    size bigint NOT NULL,
    created_at double precision NOT NULL
);
CREATE TABLE public.local_flow (
    id text NOT NULL,
    workbook text NOT NULL,
    described text NOT NULL,
    created_at double precision NOT NULL
);
CREATE TABLE public.local_run (
    seq bigint NOT NULL,
    id text NOT NULL,
    saved_item_id text NOT NULL,
    user_id text NOT NULL,
    idempotency_key text,
    state text NOT NULL,
    created_at double precision NOT NULL,
    started_at double precision,
    finished_at double precision,
    lease text,
    lease_until double precision,
    inputs text NOT NULL,
    outputs text,
    log text,
    body text
);
CREATE SEQUENCE public.local_run_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.local_run_seq_seq OWNED BY public.local_run.seq;
CREATE TABLE public.pace (
    route text NOT NULL,
    next_at double precision NOT NULL,
    day integer NOT NULL,
    starts integer NOT NULL
);
CREATE TABLE public.recent (
    key text NOT NULL,
    until double precision NOT NULL,
    digest text,
    event_id text
);
CREATE TABLE public.refused_submission (
    source text NOT NULL,
    hour integer NOT NULL,
    code text NOT NULL,
    count bigint NOT NULL
);
CREATE TABLE public.reject (
    seq bigint NOT NULL,
    id text NOT NULL,
    source text NOT NULL,
    provider text NOT NULL,
    received_at double precision NOT NULL,
    reason text NOT NULL,
    method text NOT NULL,
    path text NOT NULL,
    headers text NOT NULL,
    query_string text NOT NULL,
    url text NOT NULL,
    body bytea NOT NULL,
    size bigint NOT NULL,
    cut boolean NOT NULL,
    client text,
    readmitted_at double precision,
    event_ids text
);
CREATE SEQUENCE public.reject_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.reject_seq_seq OWNED BY public.reject.seq;
CREATE TABLE public.store_clock (
    id integer NOT NULL,
    at double precision NOT NULL,
    boot_clock double precision,
    boot_id text,
    host text,
    step double precision,
    stepped_at double precision
);
CREATE TABLE public.token (
    id text NOT NULL,
    name text NOT NULL,
    hash text NOT NULL,
    scopes text NOT NULL,
    created_at double precision NOT NULL,
    used_at double precision,
    ends_at double precision
);
CREATE TABLE public.trend (
    key text NOT NULL,
    at bigint NOT NULL,
    node text NOT NULL,
    value text NOT NULL
);
CREATE TABLE public.trend_node (
    node text NOT NULL,
    at bigint NOT NULL,
    counters text NOT NULL
);
CREATE TABLE public.worker (
    id text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    started_at double precision NOT NULL,
    seen_at double precision NOT NULL
);
ALTER TABLE ONLY public.act ALTER COLUMN seq SET DEFAULT nextval('public.act_seq_seq'::regclass);
ALTER TABLE ONLY public.audit ALTER COLUMN seq SET DEFAULT nextval('public.audit_seq_seq'::regclass);
ALTER TABLE ONLY public.delivery ALTER COLUMN seq SET DEFAULT nextval('public.delivery_seq_seq'::regclass);
ALTER TABLE ONLY public.event ALTER COLUMN seq SET DEFAULT nextval('public.event_seq_seq'::regclass);
ALTER TABLE ONLY public.local_run ALTER COLUMN seq SET DEFAULT nextval('public.local_run_seq_seq'::regclass);
ALTER TABLE ONLY public.reject ALTER COLUMN seq SET DEFAULT nextval('public.reject_seq_seq'::regclass);
INSERT INTO public.act VALUES (1, 'act_01m8xqa5t7mn7ytfn3zf016jjs', 'replay', 'maker@stores', 1796293859.143347, '{"filters":{"route":"refused"},"rate":"1/s","through":"refused"}', 5, 2, 0, 1796293859.1616952, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.act VALUES (2, 'act_01m8xqa9hqhsgm5x4yxf0n21sx', 'retry', 'FLOWBRIDGE_ADMIN_TOKEN', 1796293862.967747, '{"filters":{"route":"ordered"},"to":"queued"}', 1, 0, 0, NULL, NULL, NULL, 'worker', 'FLOWBRIDGE_ADMIN_TOKEN', 'retry-what-is-dead', '936f0ff88d55c3cbed37d9964972fb2f3e91be89ab534543271ec6ac27b03673', '{"count":1,"by_route":{"ordered":1},"by_status":{"dead":1},"left_out":{},"problems":[],"went_already":0,"examples":["dlv_01m8xq9zp27bpskf0pwxey1702bov2sf5g"]}', NULL, NULL, NULL);
INSERT INTO public.act_item VALUES (1, 3, 'evt_01m8xq9zkn71ptgye5qee1wd44', NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.act_item VALUES (1, 4, 'evt_01m8xq9zmecpvdtdfhrn7401z3', NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.act_item VALUES (1, 5, 'evt_01m8xq9znvhq1ndemd4acvkvsh', NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.act_item VALUES (1, 1, 'evt_01m8xq9zd49p719ge9sgb4vymp', 'done', NULL, NULL, NULL, '["dlv_01m8xq9zd49p719ge9sgb4vympdsmrk544"]', 1796293859.1498263);
INSERT INTO public.act_item VALUES (1, 2, 'evt_01m8xq9zk2n1ns95mp0v370mff', 'done', NULL, NULL, NULL, '["dlv_01m8xq9zk2n1ns95mp0v370mffdsmrk544"]', 1796293859.1616952);
INSERT INTO public.act_item VALUES (2, 1, 'dlv_01m8xq9zp27bpskf0pwxey1702bov2sf5g', NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.alembic_version VALUES ('0026');
INSERT INTO public.alert VALUES ('unknown', 'warning', '1 delivery with an unknown outcome waits for a person', 'flowbridge resolve', 1796293855.7040823, 1796293855.7040823, NULL, NULL, 0, NULL);
INSERT INTO public.alert VALUES ('dead', 'warning', '6 deliveries died within a day', 'flowbridge deliveries --status dead --since 1d; fix the cause, then flowbridge retry --dead-kind platform --since 1d', 1796293855.7040823, 1796293855.7040823, NULL, NULL, 0, NULL);
INSERT INTO public.attempt VALUES ('dlv_01m8xq9zb73xe4xbds8q8mqmhkurbsiy5w', 1, 1796293852.6476645, 1796293852.708634, 'refused', 425, 'HTTP 425', NULL, NULL, NULL, NULL, NULL, NULL, 17836.263360047, '48da08e8-7907-4387-81d0-046b7dda647e', 'vm', NULL);
INSERT INTO public.attempt VALUES ('dlv_01m8xq9zh3vf9wq6qvdh6773sanbd6lfkb', 1, 1796293852.708634, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 17836.324329374, '48da08e8-7907-4387-81d0-046b7dda647e', 'vm', 1796293852.4985516);
INSERT INTO public.attempt VALUES ('dlv_01m8xq9zd49p719ge9sgb4vympvzpdifgh', 1, 1796293852.6870377, 1796293852.7336671, 'rejected', 400, 'HTTP 400', NULL, NULL, NULL, NULL, NULL, NULL, 17836.30273317, '48da08e8-7907-4387-81d0-046b7dda647e', 'vm', 1796293852.4965134);
INSERT INTO public.attempt VALUES ('dlv_01m8xq9zgc0vax8qrc1mmn6jewjrnygjec', 1, 1796293852.6870377, 1796293852.7336671, 'unknown', NULL, '127.0.0.1: the connection was closed before an answer', NULL, NULL, NULL, NULL, NULL, NULL, 17836.30273317, '48da08e8-7907-4387-81d0-046b7dda647e', 'vm', 1796293852.4965134);
INSERT INTO public.attempt VALUES ('dlv_01m8xq9zk2n1ns95mp0v370mffvzpdifgh', 1, 1796293852.800045, 1796293852.8490384, 'rejected', 400, 'HTTP 400', NULL, NULL, NULL, NULL, NULL, NULL, 17836.41574057, '48da08e8-7907-4387-81d0-046b7dda647e', 'vm', 1796293852.5899627);
INSERT INTO public.attempt VALUES ('dlv_01m8xq9zkn71ptgye5qee1wd44vzpdifgh', 1, 1796293852.800045, 1796293852.8802435, 'rejected', 400, 'HTTP 400', NULL, NULL, NULL, NULL, NULL, NULL, 17836.41574057, '48da08e8-7907-4387-81d0-046b7dda647e', 'vm', 1796293852.5899627);
INSERT INTO public.attempt VALUES ('dlv_01m8xq9zjw1v4neq8ysvp3kwecbe6adw3t', 1, 1796293852.7685573, 1796293852.8802435, 'started', 200, NULL, 'aG9MKCqozPTd6aW2E2VoXU', NULL, NULL, NULL, NULL, NULL, 17836.384252754, '48da08e8-7907-4387-81d0-046b7dda647e', 'vm', NULL);
INSERT INTO public.attempt VALUES ('dlv_01m8xq9zmecpvdtdfhrn7401z3vzpdifgh', 1, 1796293852.8490384, 1796293852.9013848, 'rejected', 400, 'HTTP 400', NULL, NULL, NULL, NULL, NULL, NULL, 17836.464733902, '48da08e8-7907-4387-81d0-046b7dda647e', 'vm', 1796293852.4991932);
INSERT INTO public.attempt VALUES ('dlv_01m8xq9znvhq1ndemd4acvkvshvzpdifgh', 1, 1796293852.8802435, 1796293852.9231653, 'rejected', 400, 'HTTP 400', NULL, NULL, NULL, NULL, NULL, NULL, 17836.495939067, '48da08e8-7907-4387-81d0-046b7dda647e', 'vm', 1796293852.4962845);
INSERT INTO public.attempt VALUES ('dlv_01m8xq9zp27bpskf0pwxey1702bov2sf5g', 1, 1796293852.8802435, 1796293852.9231653, 'rejected', 400, 'HTTP 400', NULL, NULL, NULL, NULL, NULL, NULL, 17836.495939067, '48da08e8-7907-4387-81d0-046b7dda647e', 'vm', 1796293852.4962845);
INSERT INTO public.attempt VALUES ('dlv_01m8xq9zqfae6wwn95g3wacw524hu4filg', 1, 1796293852.991088, 1796293853.0698934, 'started', 200, NULL, 'KFo2yUwUXgs8E6ttsoaSse', NULL, NULL, NULL, NULL, NULL, 17836.606783428, '48da08e8-7907-4387-81d0-046b7dda647e', 'vm', 1796293852.6369283);
INSERT INTO public.audit VALUES (1, 'aud_01m8xqa4hpkzt68j558ka111m4', 1796293857.8469648, 'maker@stores', 'token_added', 'tok_01m8xqa4hm8mds6aw6v7a5ej71 grafana (read,bodies,act)', NULL);
INSERT INTO public.circuit VALUES ('busy', 1, 0, NULL, NULL, NULL, 0, 0, 0, 'HTTP 425', 1796293852.708634);
INSERT INTO public.circuit VALUES ('silent', 1, 0, NULL, NULL, NULL, 0, 0, 0, '127.0.0.1: the connection was closed before an answer', 1796293852.7336671);
INSERT INTO public.config VALUES ('8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', '{"config":{"platforms":{"busy":{"type":"http","url":"${env:PLATFORM_URL}/busy"},"local":{"type":"local"},"refusing":{"type":"http","url":"${env:PLATFORM_URL}/refusing"},"silent":{"type":"http","url":"${env:PLATFORM_URL}/silent"},"slow":{"type":"http","url":"${env:PLATFORM_URL}/slow"}},"routes":[{"flow":"local/echo","inputs":{"order":"${body.order}"},"name":"echo","on":"shop echo"},{"flow":"busy/order","inputs":{"order":"${body.order}"},"name":"retried","on":"shop retried","retry":{"attempts":12,"first":"1h","max":"6h"}},{"flow":"refusing/order","inputs":{"order":"${body.order}"},"name":"refused","on":"shop refused"},{"flow":"silent/order","inputs":{"order":"${body.order}"},"name":"unknown","on":"shop unknown","on_unknown":"hold"},{"flow":"slow/order","inputs":{"order":"${body.order}"},"name":"begun","on":"shop begun"},{"flow":"refusing/order","inputs":{"order":"${body.order}"},"name":"ordered","on":"shop ordered","on_dead":"block","order_by":"body.order"},{"debounce":{"key":"body.order","wait":"1h"},"flow":"local/echo","inputs":{"order":"${body.order}"},"name":"debounced","on":"shop debounced"},{"delay":"1h","flow":"local/echo","inputs":{"order":"${body.order}"},"name":"delayed","on":"shop delayed"},{"flow":"local/echo","name":"messages","on":"contact"}],"sources":{"contact":{"files":true,"provider":"form"},"shop":{"event_id":"body:id","event_type":"body:kind","provider":"token","secret":"${env:SHOP_TOKEN}","verify":{"header":"X-Token"}}},"version":1},"schemas":{}}', 1796293864.4926713);
INSERT INTO public.daily_bytes VALUES ('contact', 20790, 514);
INSERT INTO public.delivery VALUES (1, 'dlv_01m8xq9zb73xe4xbds8q8mqmhkurbsiy5w', 'evt_01m8xq9zb73xe4xbds8q8mqmhk', 'retried', 'busy/order', 'busy', 'order', 'queued', 'HTTP 425', 1, 0, 1796293852.5193014, 1796297237.9610023, NULL, NULL, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', 12, 3600, 21600, 'retry', 3600, NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, false, '{"order":"A-1"}', NULL, NULL, NULL, 'ignore', 0, 0, NULL, 'run_end', false, false, NULL, NULL, NULL, NULL);
INSERT INTO public.delivery VALUES (2, 'dlv_01m8xq9zd49p719ge9sgb4vympvzpdifgh', 'evt_01m8xq9zd49p719ge9sgb4vymp', 'refused', 'refusing/order', 'refusing', 'order', 'dead', 'HTTP 400', 1, 0, 1796293852.580859, 1796293852.580859, NULL, 1796293852.7336671, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', 12, 5, 21600, 'retry', 3600, NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, false, '{"order":"A-1"}', NULL, NULL, 'platform', 'ignore', 0, 0, NULL, 'run_end', false, false, NULL, NULL, NULL, NULL);
INSERT INTO public.delivery VALUES (3, 'dlv_01m8xq9zgc0vax8qrc1mmn6jewjrnygjec', 'evt_01m8xq9zgc0vax8qrc1mmn6jew', 'unknown', 'silent/order', 'silent', 'order', 'unknown', '127.0.0.1: the connection was closed before an answer', 1, 0, 1796293852.6847618, 1796293852.6847618, NULL, NULL, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', 12, 5, 21600, 'hold', 3600, NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, false, '{"order":"A-1"}', NULL, NULL, NULL, 'ignore', 0, 0, NULL, 'run_end', false, false, NULL, NULL, NULL, NULL);
INSERT INTO public.delivery VALUES (5, 'dlv_01m8xq9zhs0evhx0gqr4279n9jjvxgke7t', 'evt_01m8xq9zhs0evhx0gqr4279n9j', 'debounced', 'local/echo', 'local', 'echo', 'queued', NULL, 0, 0, 1796293852.729034, 1796297452.729034, NULL, NULL, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', 12, 5, 21600, 'retry', 3600, NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, false, '{"order":"A-1"}', NULL, NULL, NULL, 'ignore', 0, 0, NULL, 'run_end', false, false, 'A-1', 1796329852.729034, NULL, NULL);
INSERT INTO public.delivery VALUES (6, 'dlv_01m8xq9zjjzsxnk0cwtx3xs528xr6fqi65', 'evt_01m8xq9zjjzsxnk0cwtx3xs528', 'delayed', 'local/echo', 'local', 'echo', 'queued', NULL, 0, 0, 1796293852.7540915, 1796297452.7540915, NULL, NULL, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', 12, 5, 21600, 'retry', 3600, NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, false, '{"order":"A-1"}', NULL, NULL, NULL, 'ignore', 0, 0, NULL, 'run_end', false, false, NULL, NULL, NULL, NULL);
INSERT INTO public.delivery VALUES (8, 'dlv_01m8xq9zk2n1ns95mp0v370mffvzpdifgh', 'evt_01m8xq9zk2n1ns95mp0v370mff', 'refused', 'refusing/order', 'refusing', 'order', 'dead', 'HTTP 400', 1, 0, 1796293852.7708683, 1796293852.7708683, NULL, 1796293852.8490384, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', 12, 5, 21600, 'retry', 3600, NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, false, '{"order":"A-1"}', NULL, NULL, 'platform', 'ignore', 0, 0, NULL, 'run_end', false, false, NULL, NULL, NULL, NULL);
INSERT INTO public.delivery VALUES (9, 'dlv_01m8xq9zkn71ptgye5qee1wd44vzpdifgh', 'evt_01m8xq9zkn71ptgye5qee1wd44', 'refused', 'refusing/order', 'refusing', 'order', 'dead', 'HTTP 400', 1, 0, 1796293852.7890084, 1796293852.7890084, NULL, 1796293852.8802435, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', 12, 5, 21600, 'retry', 3600, NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, false, '{"order":"A-1"}', NULL, NULL, 'platform', 'ignore', 0, 0, NULL, 'run_end', false, false, NULL, NULL, NULL, NULL);
INSERT INTO public.delivery VALUES (13, 'dlv_01m8xq9zppneerwbsb1jdcxq4dbov2sf5g', 'evt_01m8xq9zppneerwbsb1jdcxq4d', 'ordered', 'refusing/order', 'refusing', 'order', 'blocked', NULL, 0, 0, 1796293852.88662, 1796293852.88662, NULL, NULL, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', 12, 5, 21600, 'retry', 3600, NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, false, '{"order":"A-1"}', NULL, NULL, NULL, 'ignore', 0, 0, 'A-1', 'run_end', true, false, NULL, NULL, NULL, NULL);
INSERT INTO public.delivery VALUES (10, 'dlv_01m8xq9zmecpvdtdfhrn7401z3vzpdifgh', 'evt_01m8xq9zmecpvdtdfhrn7401z3', 'refused', 'refusing/order', 'refusing', 'order', 'dead', 'HTTP 400', 1, 0, 1796293852.8147268, 1796293852.8147268, NULL, 1796293852.9013848, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', 12, 5, 21600, 'retry', 3600, NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, false, '{"order":"A-1"}', NULL, NULL, 'platform', 'ignore', 0, 0, NULL, 'run_end', false, false, NULL, NULL, NULL, NULL);
INSERT INTO public.delivery VALUES (11, 'dlv_01m8xq9znvhq1ndemd4acvkvshvzpdifgh', 'evt_01m8xq9znvhq1ndemd4acvkvsh', 'refused', 'refusing/order', 'refusing', 'order', 'dead', 'HTTP 400', 1, 0, 1796293852.859579, 1796293852.859579, NULL, 1796293852.9231653, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', 12, 5, 21600, 'retry', 3600, NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, false, '{"order":"A-1"}', NULL, NULL, 'platform', 'ignore', 0, 0, NULL, 'run_end', false, false, NULL, NULL, NULL, NULL);
INSERT INTO public.delivery VALUES (12, 'dlv_01m8xq9zp27bpskf0pwxey1702bov2sf5g', 'evt_01m8xq9zp27bpskf0pwxey1702', 'ordered', 'refusing/order', 'refusing', 'order', 'dead', 'HTTP 400', 1, 0, 1796293852.8662, 1796293852.8662, NULL, 1796293852.9231653, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', 12, 5, 21600, 'retry', 3600, NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, false, '{"order":"A-1"}', NULL, NULL, 'platform', 'ignore', 0, 0, 'A-1', 'run_end', true, true, NULL, NULL, NULL, NULL);
INSERT INTO public.delivery VALUES (7, 'dlv_01m8xq9zjw1v4neq8ysvp3kwecbe6adw3t', 'evt_01m8xq9zjw1v4neq8ysvp3kwec', 'echo', 'local/echo', 'local', 'echo', 'delivered', NULL, 1, 0, 1796293852.7646418, 1796293852.7646418, 1796293852.8802435, 1796293852.961704, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', 12, 5, 21600, 'retry', 3600, NULL, NULL, false, NULL, 1, 'aG9MKCqozPTd6aW2E2VoXU', 'http://127.0.0.1:18481/console/runs?run_id=aG9MKCqozPTd6aW2E2VoXU&flow_id=echo', 'done', 'DONE', false, '{"order":"A-1"}', '{"order":"A-1"}', NULL, NULL, 'ignore', 0, 0, NULL, 'run_end', false, false, NULL, NULL, NULL, NULL);
INSERT INTO public.delivery VALUES (14, 'dlv_01m8xq9zqfae6wwn95g3wacw524hu4filg', 'evt_01m8xq9zqfae6wwn95g3wacw52', 'messages', 'local/echo', 'local', 'echo', 'delivered', NULL, 1, 0, 1796293852.9111705, 1796293852.9111705, 1796293853.0698934, 1796293853.156854, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', 12, 5, 21600, 'retry', 3600, NULL, NULL, false, NULL, 1, 'KFo2yUwUXgs8E6ttsoaSse', 'http://127.0.0.1:18481/console/runs?run_id=KFo2yUwUXgs8E6ttsoaSse&flow_id=echo', 'done', 'DONE', true, '{"message":"delivered","photo":{"field":"photo","name":"photo.txt","type":"text/plain","size":12,"sha256":"58831986bf022035197bd05d44de7eb9b1f5a6cac36994a862a7164c5ead0b41"}}', '{"message":"delivered","photo":"evt_01m8xq9zqfae6wwn95g3wacw52-1-photo.txt"}', NULL, NULL, 'ignore', 0, 0, NULL, 'run_end', false, false, NULL, NULL, NULL, NULL);
INSERT INTO public.delivery VALUES (4, 'dlv_01m8xq9zh3vf9wq6qvdh6773sanbd6lfkb', 'evt_01m8xq9zh3vf9wq6qvdh6773sa', 'begun', 'slow/order', 'slow', 'order', 'sending', NULL, 0, 0, 1796293852.707884, 1796293852.707884, NULL, NULL, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', 12, 5, 21600, 'retry', 3600, 'vm:11021:a67ba695:2', 1796293866.4782698, true, NULL, 0, NULL, NULL, NULL, NULL, false, '{"order":"A-1"}', NULL, NULL, NULL, 'ignore', 0, 0, NULL, 'run_end', false, false, NULL, NULL, NULL, NULL);
INSERT INTO public.delivery VALUES (15, 'dlv_01m8xq9zd49p719ge9sgb4vympdsmrk544', 'evt_01m8xq9zd49p719ge9sgb4vymp', 'refused', 'refusing/order', 'refusing', 'order', 'queued', NULL, 0, 0, 1796293859.1498263, 1796293859.1498263, NULL, NULL, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', 12, 5, 21600, 'retry', 3600, NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, false, '{"order":"A-1"}', NULL, NULL, NULL, 'ignore', 0, 0, NULL, 'run_end', false, false, NULL, NULL, NULL, NULL);
INSERT INTO public.delivery VALUES (16, 'dlv_01m8xq9zk2n1ns95mp0v370mffdsmrk544', 'evt_01m8xq9zk2n1ns95mp0v370mff', 'refused', 'refusing/order', 'refusing', 'order', 'queued', NULL, 0, 0, 1796293859.1616952, 1796293859.1616952, NULL, NULL, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', 12, 5, 21600, 'retry', 3600, NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, false, '{"order":"A-1"}', NULL, NULL, NULL, 'ignore', 0, 0, NULL, 'run_end', false, false, NULL, NULL, NULL, NULL);
INSERT INTO public.delivery VALUES (17, 'dlv_01m8xqa8yb8nnzefwwbpx83yhqbe6adw3t', 'evt_01m8xqa8yb8nnzefwwbpx83yhq', 'echo', 'local/echo', 'local', 'echo', 'queued', NULL, 0, 0, 1796293862.3474731, 1796293862.3474731, NULL, NULL, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', 12, 5, 21600, 'retry', 3600, NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, false, '{"order":"A-1"}', NULL, NULL, NULL, 'ignore', 0, 0, NULL, 'run_end', false, false, NULL, NULL, NULL, NULL);
INSERT INTO public.delivery VALUES (18, 'dlv_01m8xqa8zj3cw3ypahaz6tnrq14hu4filg', 'evt_01m8xqa8zj3cw3ypahaz6tnrq1', 'messages', 'local/echo', 'local', 'echo', 'queued', NULL, 0, 0, 1796293862.3868575, 1796293862.3868575, NULL, NULL, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', 12, 5, 21600, 'retry', 3600, NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, true, '{"message":"waits","photo":{"field":"photo","name":"photo.txt","type":"text/plain","size":12,"sha256":"58831986bf022035197bd05d44de7eb9b1f5a6cac36994a862a7164c5ead0b41"}}', NULL, NULL, NULL, 'ignore', 0, 0, NULL, 'run_end', false, false, NULL, NULL, NULL, NULL);
INSERT INTO public.delivery VALUES (19, 'dlv_01m8xqab7bw158ya7wpfm7yqt2be6adw3t', 'evt_01m8xqab7bw158ya7wpfm7yqt2', 'echo', 'local/echo', 'local', 'echo', 'queued', NULL, 0, 0, 1796293864.6830573, 1796293864.6830573, NULL, NULL, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', 12, 5, 21600, 'retry', 3600, NULL, NULL, false, NULL, 0, NULL, NULL, NULL, NULL, false, '$fb1$54f9d21a$Uox27caKD-BmMyfpTHQK4HcMxaDn3Ug65i0N6O5_daKKex3Ja4hYLgaJlPsREaDuugE7plDyLLSRjovxG-Y=', NULL, NULL, NULL, 'ignore', 0, 0, NULL, 'run_end', false, false, NULL, NULL, NULL, NULL);
INSERT INTO public.event VALUES (1, 'evt_01m8xq9zb73xe4xbds8q8mqmhk', 'shop', 'token', 'retried', 'retried-1', 1796293852.5193014, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', NULL, NULL, 0, '78f01d5e8091f23d228a463e4aeb4ba9d29fef6eb11205c36a0ca777d7d5d627', '{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}', '', '\x7b226b696e64223a202272657472696564222c20226964223a2022726574726965642d31222c20226f72646572223a2022412d31227d', NULL, NULL, NULL, NULL);
INSERT INTO public.event VALUES (2, 'evt_01m8xq9zd49p719ge9sgb4vymp', 'shop', 'token', 'refused', 'refused-1', 1796293852.580859, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', NULL, NULL, 0, 'ff18fd763454a5bc060a0865bde0f27d0336e7818bf1a36324cadfb597008c58', '{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}', '', '\x7b226b696e64223a202272656675736564222c20226964223a2022726566757365642d31222c20226f72646572223a2022412d31227d', NULL, NULL, NULL, NULL);
INSERT INTO public.event VALUES (3, 'evt_01m8xq9zgc0vax8qrc1mmn6jew', 'shop', 'token', 'unknown', 'unknown-1', 1796293852.6847618, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', NULL, NULL, 0, 'a8aa495a844eadb527b18d724ee16dea48fb5a407c5a6a0bd7486c61e05f8dc8', '{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}', '', '\x7b226b696e64223a2022756e6b6e6f776e222c20226964223a2022756e6b6e6f776e2d31222c20226f72646572223a2022412d31227d', NULL, NULL, NULL, NULL);
INSERT INTO public.event VALUES (4, 'evt_01m8xq9zh3vf9wq6qvdh6773sa', 'shop', 'token', 'begun', 'begun-1', 1796293852.707884, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', NULL, NULL, 0, '74ce7470091dad538c939e6ee448e81fbb579312241a8a83e0672afc7eae0256', '{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}', '', '\x7b226b696e64223a2022626567756e222c20226964223a2022626567756e2d31222c20226f72646572223a2022412d31227d', NULL, NULL, NULL, NULL);
INSERT INTO public.event VALUES (5, 'evt_01m8xq9zhs0evhx0gqr4279n9j', 'shop', 'token', 'debounced', 'debounced-1', 1796293852.729034, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', NULL, NULL, 0, '86a0603cc20bde7ff8df8d2b45081e6d28e2d3808a699725c13740deee1d9e3e', '{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}', '', '\x7b226b696e64223a20226465626f756e636564222c20226964223a20226465626f756e6365642d31222c20226f72646572223a2022412d31227d', NULL, NULL, NULL, NULL);
INSERT INTO public.event VALUES (6, 'evt_01m8xq9zjjzsxnk0cwtx3xs528', 'shop', 'token', 'delayed', 'delayed-1', 1796293852.7540915, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', NULL, NULL, 0, '810bb89464a6c7687b2548487e4228e9454d48de19d5c2b13485bfe740a0a097', '{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}', '', '\x7b226b696e64223a202264656c61796564222c20226964223a202264656c617965642d31222c20226f72646572223a2022412d31227d', NULL, NULL, NULL, NULL);
INSERT INTO public.event VALUES (7, 'evt_01m8xq9zjw1v4neq8ysvp3kwec', 'shop', 'token', 'echo', 'echo-1', 1796293852.7646418, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', NULL, NULL, 0, '935fff4552b9281201a592e31bb63e81edb325814a4376a3253dd8e20c1d4d2e', '{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}', '', '\x7b226b696e64223a20226563686f222c20226964223a20226563686f2d31222c20226f72646572223a2022412d31227d', NULL, NULL, NULL, NULL);
INSERT INTO public.event VALUES (8, 'evt_01m8xq9zk2n1ns95mp0v370mff', 'shop', 'token', 'refused', 'refused-2', 1796293852.7708683, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', NULL, NULL, 0, 'c99bfc9ae613f0471f23d3fbee9c88494c4c6a5fbc95b1b5b41ab20d60a97495', '{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}', '', '\x7b226b696e64223a202272656675736564222c20226964223a2022726566757365642d32222c20226f72646572223a2022412d31227d', NULL, NULL, NULL, NULL);
INSERT INTO public.event VALUES (9, 'evt_01m8xq9zkn71ptgye5qee1wd44', 'shop', 'token', 'refused', 'refused-3', 1796293852.7890084, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', NULL, NULL, 0, '1c6572a116eb829ff32138c59479d5eaa5e4bdd4a71b8ed9186a3f9e19dee3f2', '{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}', '', '\x7b226b696e64223a202272656675736564222c20226964223a2022726566757365642d33222c20226f72646572223a2022412d31227d', NULL, NULL, NULL, NULL);
INSERT INTO public.event VALUES (10, 'evt_01m8xq9zmecpvdtdfhrn7401z3', 'shop', 'token', 'refused', 'refused-4', 1796293852.8147268, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', NULL, NULL, 0, '33baf747768bdd1aa4f0bc5f861287a07642ff05a4ff8563d3e5abeafc9c9b32', '{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}', '', '\x7b226b696e64223a202272656675736564222c20226964223a2022726566757365642d34222c20226f72646572223a2022412d31227d', NULL, NULL, NULL, NULL);
INSERT INTO public.event VALUES (11, 'evt_01m8xq9znvhq1ndemd4acvkvsh', 'shop', 'token', 'refused', 'refused-5', 1796293852.859579, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', NULL, NULL, 0, '3f9a8a6fee7723e712d62ef926c29fa03b3183e65875a031bb9be65848b22c5d', '{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}', '', '\x7b226b696e64223a202272656675736564222c20226964223a2022726566757365642d35222c20226f72646572223a2022412d31227d', NULL, NULL, NULL, NULL);
INSERT INTO public.event VALUES (12, 'evt_01m8xq9zp27bpskf0pwxey1702', 'shop', 'token', 'ordered', 'ordered-1', 1796293852.8662, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', NULL, NULL, 0, '9c86a5c40bb12a8d9195a07d1f56be8ce12e830aed29b61f79f4f68b546d4c8c', '{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}', '', '\x7b226b696e64223a20226f726465726564222c20226964223a20226f7264657265642d31222c20226f72646572223a2022412d31227d', NULL, NULL, NULL, NULL);
INSERT INTO public.event VALUES (13, 'evt_01m8xq9zppneerwbsb1jdcxq4d', 'shop', 'token', 'ordered', 'ordered-2', 1796293852.88662, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', NULL, NULL, 0, '376509948dbe86f9fb8f33442460165c9fc058918524709a8217f3183a5a7ecc', '{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}', '', '\x7b226b696e64223a20226f726465726564222c20226964223a20226f7264657265642d32222c20226f72646572223a2022412d31227d', NULL, NULL, NULL, NULL);
INSERT INTO public.event VALUES (14, 'evt_01m8xq9zqfae6wwn95g3wacw52', 'contact', 'form', NULL, NULL, 1796293852.9111705, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', NULL, NULL, 0, '9556a329f6e048c20ccbdc14a3db222e639c6f5b12b03d3e28a442dd629b9f4e', '{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","accept":"application/json","connection":"close","content-type":"multipart/form-data; boundary=x"}', '', '\x2d2d780d0a436f6e74656e742d446973706f736974696f6e3a20666f726d2d646174613b206e616d653d226d657373616765220d0a0d0a64656c6976657265640d0a2d2d780d0a436f6e74656e742d446973706f736974696f6e3a20666f726d2d646174613b206e616d653d2270686f746f223b2066696c656e616d653d2270686f746f2e747874220d0a436f6e74656e742d547970653a20746578742f706c61696e0d0a0d0a2831322062797465732c207368613235362035383833313938366266303232303335313937626430356434346465376562396231663561366361633336393934613836326137313634633565616430623431290d0a2d2d782d2d0d0a', NULL, '[{"field":"photo","name":"photo.txt","type":"text/plain","size":12,"sha256":"58831986bf022035197bd05d44de7eb9b1f5a6cac36994a862a7164c5ead0b41"}]', NULL, '127.0.0.0/24');
INSERT INTO public.event VALUES (15, 'evt_01m8xqa8yb8nnzefwwbpx83yhq', 'shop', 'token', 'echo', 'echo-2', 1796293862.3474731, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', NULL, NULL, 0, 'd0def3bb3b358e0e18412dbaf3bbce1f15737f25afc89b0f400295b5ab859dcf', '{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","x-token":"***","connection":"close","content-type":"application/json"}', '', '\x7b226b696e64223a20226563686f222c20226964223a20226563686f2d32222c20226f72646572223a2022412d31227d', NULL, NULL, NULL, NULL);
INSERT INTO public.event VALUES (16, 'evt_01m8xqa8zj3cw3ypahaz6tnrq1', 'contact', 'form', NULL, NULL, 1796293862.3868575, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', NULL, NULL, 0, '186ed25c4726ddb17deb2e35c0593a7bb2a97d193c0dac86bdcddc4236eb03c6', '{"accept-encoding":"identity","host":"127.0.0.1:18480","user-agent":"Python-urllib/3.11","accept":"application/json","connection":"close","content-type":"multipart/form-data; boundary=x"}', '', '\x2d2d780d0a436f6e74656e742d446973706f736974696f6e3a20666f726d2d646174613b206e616d653d226d657373616765220d0a0d0a77616974730d0a2d2d780d0a436f6e74656e742d446973706f736974696f6e3a20666f726d2d646174613b206e616d653d2270686f746f223b2066696c656e616d653d2270686f746f2e747874220d0a436f6e74656e742d547970653a20746578742f706c61696e0d0a0d0a2831322062797465732c207368613235362035383833313938366266303232303335313937626430356434346465376562396231663561366361633336393934613836326137313634633565616430623431290d0a2d2d782d2d0d0a', NULL, '[{"field":"photo","name":"photo.txt","type":"text/plain","size":12,"sha256":"58831986bf022035197bd05d44de7eb9b1f5a6cac36994a862a7164c5ead0b41"}]', NULL, '127.0.0.0/24');
INSERT INTO public.event VALUES (17, 'evt_01m8xqab7bw158ya7wpfm7yqt2', 'shop', 'token', 'echo', 'echo-3', 1796293864.6830573, '8220e12506c64aa6cca0df4721b25a937387588419833c5156b6745ead25eaf3', NULL, NULL, 0, 'hmac:ed7f6160f4cb190f11309e8c9aec808362e8d38d2c02f5e985f5fdd172cb5ee6', '$fb1$54f9d21a$Uox27caKD-BmMyfpTHQK4Id0lOKQAAe9ojnr8wAiY8nNhWP4hLMfDGDHMfzm9SrFTKm_9chbctynFSVAFIq1m9_ahe59TesPViRmGmin_7rATy-CICYVl9qliYirpisBb0IkZ1xHrXm4HWoWoz2JCrX8DTNpfOhAVgCh4jcwVxJZWHYR8dCVWGmrL6wtdxbldsEeSbIDd8RNNIqaZK1qCwTIDHY4SfTBS-HRmwUqHEJa0Y5qzB28P6QI1ALCGprjGENPgpx_Phinmug9', '', '\x2466623124353466396432316124528c76edc68a0fe0663327e94c740ae0def4e8e79e610e05940dfef2f7b02cf062df963ab2dfe3827f24cc6b0007525ed6b17c0afcd4528920eeb5119f9c5e36c5ed82d3b358cb98738ffd07311b25054a641e43411874cbf8378f9b1676b6', NULL, NULL, NULL, NULL);
INSERT INTO public.form_files VALUES ('contact', 24);
INSERT INTO public.local_file VALUES ('a72605ad361b479f72504ec85e87', '', 'evt_01m8xq9zqfae6wwn95g3wacw52-1-photo.txt', '58831986bf022035197bd05d44de7eb9b1f5a6cac36994a862a7164c5ead0b41', 12, 1796293853.023521);
INSERT INTO public.local_flow VALUES ('append_csv', 'ready-made', '{"description":"Appends the time and the inputs as a row to the CSV `file` in `files` of the data folder.\n\nThe first row names the columns: `received_at`, then the inputs in their order, then each of\n`fields`. An input without a column gets a new one at the right end, which is empty in existing\nrows. `bom: false` starts a new file without the mark by which spreadsheets recognize UTF-8.","inputs":[{"name":"file","type":"str","required":false,"default":"events.csv","kind":"text"},{"name":"bom","type":"bool","required":false,"default":true,"kind":"text"},{"name":"fields","type":"dict[str, JSON] | None","required":false,"default":null,"kind":"text"}],"takes_any":true,"idempotent":false,"time_limit":null,"memory":null}', 1796293852.295978);
INSERT INTO public.local_flow VALUES ('append_jsonl', 'ready-made', '{"description":"Appends the time and the inputs as a JSON line to `file` in `files` of the data folder.","inputs":[{"name":"file","type":"str","required":false,"default":"events.jsonl","kind":"text"}],"takes_any":true,"idempotent":false,"time_limit":null,"memory":null}', 1796293852.295978);
INSERT INTO public.local_flow VALUES ('echo', 'ready-made', '{"description":"Returns its inputs as outputs.","inputs":[],"takes_any":true,"idempotent":true,"time_limit":null,"memory":null}', 1796293852.295978);
INSERT INTO public.local_flow VALUES ('fail', 'ready-made', '{"description":"Fails, with `message` in its log.","inputs":[{"name":"message","type":"str","required":false,"default":"failed, as asked","kind":"text"}],"takes_any":false,"idempotent":false,"time_limit":null,"memory":null}', 1796293852.295978);
INSERT INTO public.local_flow VALUES ('http_request', 'ready-made', '{"description":"Calls a URL and returns `status`, `headers` and `body` of the answer.\n\nThe returned `body` is a value if the answer is JSON, else text. `query` is added to the URL.\n`json` is sent as JSON, `body` as text. The default `method` is POST with `json` or `body`, else\nGET. A status other than `expect` (default 2xx; or 200, 404, any …) fails the run. Redirects are\nnot followed. Private addresses are refused.","inputs":[{"name":"url","type":"str","required":true,"default":null,"kind":"text"},{"name":"method","type":"str | None","required":false,"default":null,"kind":"text"},{"name":"headers","type":"dict[str, str] | None","required":false,"default":null,"kind":"text"},{"name":"query","type":"dict[str, str] | None","required":false,"default":null,"kind":"text"},{"name":"json","type":"JSON","required":false,"default":null,"kind":"text"},{"name":"body","type":"str | None","required":false,"default":null,"kind":"text"},{"name":"timeout","type":"float","required":false,"default":30.0,"kind":"text"},{"name":"expect","type":"str","required":false,"default":"2xx","kind":"text"}],"takes_any":false,"idempotent":false,"time_limit":600.0,"memory":null}', 1796293852.295978);
INSERT INTO public.local_flow VALUES ('send_email', 'ready-made', '{"description":"Sends a mail through the server of FLOWBRIDGE_SMTP_URL.\n\nThe sender is `from_` or FLOWBRIDGE_SMTP_FROM. All recipients get the mail, or none. `to`, `cc`\nand `bcc` are an address (`ada@example.com` or `Ada <ada@example.com>`) or a list of them.\n`text`, `html` or both are the content. Replies go to `reply_to`. `attachments` are uploaded\nfiles, such as those of a form.","inputs":[{"name":"to","type":"str | list[str]","required":true,"default":null,"kind":"text"},{"name":"subject","type":"str","required":true,"default":null,"kind":"text"},{"name":"text","type":"str","required":false,"default":"","kind":"text"},{"name":"html","type":"str","required":false,"default":"","kind":"text"},{"name":"reply_to","type":"str","required":false,"default":"","kind":"text"},{"name":"cc","type":"str | list[str]","required":false,"default":"","kind":"text"},{"name":"bcc","type":"str | list[str]","required":false,"default":"","kind":"text"},{"name":"from_","type":"str","required":false,"default":"","kind":"text"},{"name":"attachments","type":"File | list[File] | None","required":false,"default":null,"kind":"file"}],"takes_any":false,"idempotent":false,"time_limit":900.0,"memory":null}', 1796293852.295978);
INSERT INTO public.local_flow VALUES ('slack_message', 'ready-made', '{"description":"Posts a message to Slack through an incoming webhook.\n\nIts URL is `webhook_url`, or FLOWBRIDGE_SLACK_WEBHOOK_URL. The webhook decides the channel;\n`channel` selects another one if the webhook allows it. `*bold*`, `_italic_` and line ends work;\n`<`, `>` and `&` are shown literally, so that a sender''s text can neither mention everyone nor\nhide a link.","inputs":[{"name":"text","type":"str","required":true,"default":null,"kind":"text"},{"name":"channel","type":"str","required":false,"default":"","kind":"text"},{"name":"webhook_url","type":"str","required":false,"default":"","kind":"text"}],"takes_any":false,"idempotent":false,"time_limit":600.0,"memory":null}', 1796293852.295978);
INSERT INTO public.local_flow VALUES ('sleep', 'ready-made', '{"description":"Waits for `seconds` (at most 3600) and returns how long it waited.","inputs":[{"name":"seconds","type":"float","required":false,"default":1.0,"kind":"text"}],"takes_any":false,"idempotent":true,"time_limit":null,"memory":null}', 1796293852.295978);
INSERT INTO public.local_run VALUES (1, 'aG9MKCqozPTd6aW2E2VoXU', 'echo', 'a72605ad361b479f72504ec85e87', 'dlv_01m8xq9zjw1v4neq8ysvp3kwecbe6adw3t', 'DONE', 1796293852.7987, 1796293852.8490384, 1796293852.9617035, NULL, NULL, '{"order":"A-1"}', '{"order":"A-1"}', '[]', NULL);
INSERT INTO public.local_run VALUES (2, 'KFo2yUwUXgs8E6ttsoaSse', 'echo', 'a72605ad361b479f72504ec85e87', 'dlv_01m8xq9zqfae6wwn95g3wacw524hu4filg', 'DONE', 1796293853.0498857, 1796293853.0557983, 1796293853.1568544, NULL, NULL, '{"message":"delivered","photo":"evt_01m8xq9zqfae6wwn95g3wacw52-1-photo.txt"}', '{"message":"delivered","photo":"evt_01m8xq9zqfae6wwn95g3wacw52-1-photo.txt"}', '[]', NULL);
INSERT INTO public.recent VALUES ('same:c65feddabd2d5def27087dde60095a6445e3c728', 1796294452.9111705, '5971f063b3555c9b7ed4c18450cb65c4be23f38a1c23efd636e744120e15ca83', 'evt_01m8xq9zqfae6wwn95g3wacw52');
INSERT INTO public.recent VALUES ('form:42d31cd9f5a3054a5fc49ee4e5130f804e85d12e', 1796293863.3868575, NULL, NULL);
INSERT INTO public.recent VALUES ('address:640976b6c7f674092c549d0dad5f65f6266a8f5e', 1796293868.3868575, NULL, NULL);
INSERT INTO public.recent VALUES ('same:38d711b3cb34238a3b6d0ac5ab3394b952411b7d', 1796294462.3868575, '87fccb707fdc0037f5bd924c826c046103fb226d0534431aeb0607d95710cc1c', 'evt_01m8xqa8zj3cw3ypahaz6tnrq1');
INSERT INTO public.store_clock VALUES (1, 1796293852.5999117, 17836.215607102, '48da08e8-7907-4387-81d0-046b7dda647e', 'vm', NULL, NULL);
INSERT INTO public.token VALUES ('tok_01m8xqa4hm8mds6aw6v7a5ej71', 'grafana', '6cf3bb5cda8f8f5bde14c15bbf5ff8f0d89fcd13967f351940e8b95147525b1c', 'read,bodies,act', 1796293857.844442, NULL, NULL);
INSERT INTO public.trend VALUES ('events', 1796293800, '8337747768b362d5', '[["contact","accepted",1.0],["shop","accepted",13.0]]');
INSERT INTO public.trend VALUES ('attempts', 1796293800, '8337747768b362d5', '[["busy","refused",1.0],["local","started",2.0],["refusing","rejected",6.0],["silent","unknown",1.0]]');
INSERT INTO public.trend VALUES ('runs', 1796293800, '8337747768b362d5', '[["echo","done",1.0],["messages","done",1.0]]');
INSERT INTO public.trend VALUES ('deaths', 1796293800, '8337747768b362d5', '[["ordered",1.0],["refused",5.0]]');
INSERT INTO public.trend VALUES ('ack', 1796293800, '8337747768b362d5', '[["0.005",2.0],["0.01",1.0],["0.025",7.0],["0.05",1.0],["0.1",3.0]]');
INSERT INTO public.trend_node VALUES ('8337747768b362d5', 1796293800, '{"ack":[["0.005",2.0],["0.01",1.0],["0.025",7.0],["0.05",1.0],["0.1",3.0]],"attempts":[["busy","refused",1.0],["local","started",2.0],["refusing","rejected",6.0],["silent","unknown",1.0]],"deaths":[["ordered",1.0],["refused",5.0]],"events":[["contact","accepted",1.0],["shop","accepted",13.0]],"refused":[],"rejects":[],"runs":[["echo","done",1.0],["messages","done",1.0]]}');
INSERT INTO public.worker VALUES ('vm:11021:a67ba695', 'vm', 11021, 1796293852.6476645, 1796293856.4782698);
SELECT pg_catalog.setval('public.act_seq_seq', 2, true);
SELECT pg_catalog.setval('public.audit_seq_seq', 1, true);
SELECT pg_catalog.setval('public.delivery_seq_seq', 19, true);
SELECT pg_catalog.setval('public.event_seq_seq', 17, true);
SELECT pg_catalog.setval('public.local_run_seq_seq', 2, true);
SELECT pg_catalog.setval('public.reject_seq_seq', 1, false);
ALTER TABLE ONLY public.act
    ADD CONSTRAINT act_id_key UNIQUE (id);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_id_key UNIQUE (id);
ALTER TABLE ONLY public.delivery
    ADD CONSTRAINT delivery_id_key UNIQUE (id);
ALTER TABLE ONLY public.event
    ADD CONSTRAINT event_id_key UNIQUE (id);
ALTER TABLE ONLY public.local_run
    ADD CONSTRAINT local_run_id_key UNIQUE (id);
ALTER TABLE ONLY public.act
    ADD CONSTRAINT pk_act PRIMARY KEY (seq);
ALTER TABLE ONLY public.act_item
    ADD CONSTRAINT pk_act_item PRIMARY KEY (act, number);
ALTER TABLE ONLY public.alert
    ADD CONSTRAINT pk_alert PRIMARY KEY (key);
ALTER TABLE ONLY public.attempt
    ADD CONSTRAINT pk_attempt PRIMARY KEY (delivery_id, number);
ALTER TABLE ONLY public.audit
    ADD CONSTRAINT pk_audit PRIMARY KEY (seq);
ALTER TABLE ONLY public.circuit
    ADD CONSTRAINT pk_circuit PRIMARY KEY (platform);
ALTER TABLE ONLY public.config
    ADD CONSTRAINT pk_config PRIMARY KEY (hash);
ALTER TABLE ONLY public.daily_bytes
    ADD CONSTRAINT pk_daily_bytes PRIMARY KEY (source);
ALTER TABLE ONLY public.deleted_id
    ADD CONSTRAINT pk_deleted_id PRIMARY KEY (source, provider_id);
ALTER TABLE ONLY public.delivery
    ADD CONSTRAINT pk_delivery PRIMARY KEY (seq);
ALTER TABLE ONLY public.event
    ADD CONSTRAINT pk_event PRIMARY KEY (seq);
ALTER TABLE ONLY public.expected
    ADD CONSTRAINT pk_expected PRIMARY KEY (source);
ALTER TABLE ONLY public.form_files
    ADD CONSTRAINT pk_form_files PRIMARY KEY (source);
ALTER TABLE ONLY public.hold
    ADD CONSTRAINT pk_hold PRIMARY KEY (what);
ALTER TABLE ONLY public.learned
    ADD CONSTRAINT pk_learned PRIMARY KEY (source);
ALTER TABLE ONLY public.local_file
    ADD CONSTRAINT pk_local_file PRIMARY KEY (user_id, run_id, name);
ALTER TABLE ONLY public.local_flow
    ADD CONSTRAINT pk_local_flow PRIMARY KEY (id);
ALTER TABLE ONLY public.local_run
    ADD CONSTRAINT pk_local_run PRIMARY KEY (seq);
ALTER TABLE ONLY public.pace
    ADD CONSTRAINT pk_pace PRIMARY KEY (route);
ALTER TABLE ONLY public.recent
    ADD CONSTRAINT pk_recent PRIMARY KEY (key);
ALTER TABLE ONLY public.refused_submission
    ADD CONSTRAINT pk_refused_submission PRIMARY KEY (source, hour, code);
ALTER TABLE ONLY public.reject
    ADD CONSTRAINT pk_reject PRIMARY KEY (seq);
ALTER TABLE ONLY public.store_clock
    ADD CONSTRAINT pk_store_clock PRIMARY KEY (id);
ALTER TABLE ONLY public.token
    ADD CONSTRAINT pk_token PRIMARY KEY (id);
ALTER TABLE ONLY public.trend
    ADD CONSTRAINT pk_trend PRIMARY KEY (key, at, node);
ALTER TABLE ONLY public.trend_node
    ADD CONSTRAINT pk_trend_node PRIMARY KEY (node);
ALTER TABLE ONLY public.worker
    ADD CONSTRAINT pk_worker PRIMARY KEY (id);
ALTER TABLE ONLY public.reject
    ADD CONSTRAINT reject_id_key UNIQUE (id);
ALTER TABLE ONLY public.token
    ADD CONSTRAINT token_hash_key UNIQUE (hash);
ALTER TABLE ONLY public.token
    ADD CONSTRAINT token_name_key UNIQUE (name);
CREATE INDEX ix_act_driver ON public.act USING btree (seq) WHERE ((driver IS NOT NULL) AND (finished_at IS NULL));
CREATE INDEX ix_act_item_item ON public.act_item USING btree (item_id);
CREATE INDEX ix_act_item_open ON public.act_item USING btree (act, number) WHERE (outcome IS NULL);
CREATE UNIQUE INDEX ix_act_request ON public.act USING btree (token, request_key) WHERE (request_key IS NOT NULL);
CREATE INDEX ix_attempt_boot ON public.attempt USING btree (boot_id, boot_clock) WHERE ((outcome = 'unknown'::text) AND (boot_clock IS NOT NULL));
CREATE INDEX ix_attempt_late ON public.attempt USING btree (late_at) WHERE (late_at IS NOT NULL);
CREATE INDEX ix_attempt_run ON public.attempt USING btree (run_id) WHERE (run_id IS NOT NULL);
CREATE INDEX ix_attempt_unknown ON public.attempt USING btree (started_at) WHERE (outcome = 'unknown'::text);
CREATE INDEX ix_deleted_id_expires ON public.deleted_id USING btree (expires_at);
CREATE INDEX ix_delivery_event ON public.delivery USING btree (event_id);
CREATE UNIQUE INDEX ix_delivery_head ON public.delivery USING btree (route, order_key) WHERE holds_key;
CREATE INDEX ix_delivery_id_bytes ON public.delivery USING btree (id COLLATE "C");
CREATE INDEX ix_delivery_lease ON public.delivery USING btree (lease_until) WHERE (status = 'sending'::text);
CREATE INDEX ix_delivery_line ON public.delivery USING btree (route, order_key, seq) WHERE (status = 'blocked'::text);
CREATE INDEX ix_delivery_merge ON public.delivery USING btree (route, debounce_key) WHERE (debounce_until IS NOT NULL);
CREATE INDEX ix_delivery_poll ON public.delivery USING btree (poll_at) WHERE (poll_at IS NOT NULL);
CREATE INDEX ix_delivery_queue ON public.delivery USING btree (platform, route, due_at, seq) WHERE (status = 'queued'::text);
CREATE INDEX ix_delivery_run ON public.delivery USING btree (run_id) WHERE (run_id IS NOT NULL);
CREATE INDEX ix_delivery_run_bytes ON public.delivery USING btree (run_id COLLATE "C");
CREATE INDEX ix_delivery_slot ON public.delivery USING btree (platform, route) WHERE slot;
CREATE INDEX ix_delivery_stuck ON public.delivery USING btree (status, seq) WHERE (status = ANY (ARRAY['dead'::text, 'unknown'::text, 'blocked'::text]));
CREATE INDEX ix_delivery_unknown ON public.delivery USING btree (route) WHERE (status = 'unknown'::text);
CREATE INDEX ix_event_age ON public.event USING btree (source, received_at);
CREATE INDEX ix_event_body ON public.event USING btree (source, body_sha256, seq);
CREATE UNIQUE INDEX ix_event_dedup ON public.event USING btree (source, provider_id) WHERE (provider_id IS NOT NULL);
CREATE INDEX ix_event_files ON public.event USING btree (seq) WHERE (files IS NOT NULL);
CREATE INDEX ix_event_id_bytes ON public.event USING btree (id COLLATE "C");
CREATE INDEX ix_event_spam ON public.event USING btree (source, seq) WHERE (spam IS NOT NULL);
CREATE INDEX ix_local_file_blob ON public.local_file USING btree (sha256);
CREATE INDEX ix_local_run_flow ON public.local_run USING btree (saved_item_id, seq);
CREATE UNIQUE INDEX ix_local_run_key ON public.local_run USING btree (idempotency_key) WHERE (idempotency_key IS NOT NULL);
CREATE INDEX ix_local_run_open ON public.local_run USING btree (state, seq) WHERE (state = ANY (ARRAY['QUEUED'::text, 'RUNNING'::text, 'TERMINATING'::text]));
CREATE INDEX ix_recent_until ON public.recent USING btree (until);
CREATE INDEX ix_reject_readmitted ON public.reject USING btree (readmitted_at) WHERE (readmitted_at IS NOT NULL);
CREATE INDEX ix_reject_source ON public.reject USING btree (source, seq);
CREATE INDEX ix_trend_at ON public.trend USING btree (at);
CREATE TRIGGER step BEFORE UPDATE OF status ON public.delivery FOR EACH ROW WHEN (((old.status <> new.status) AND (((old.status || ' '::text) || new.status) <> ALL (ARRAY['queued cancelled'::text, 'queued sending'::text, 'sending dead'::text, 'sending delivered'::text, 'sending queued'::text, 'sending unknown'::text, 'unknown dead'::text, 'unknown delivered'::text, 'unknown queued'::text, 'delivered dead'::text, 'delivered queued'::text, 'blocked cancelled'::text, 'blocked dead'::text, 'blocked queued'::text, 'dead blocked'::text, 'dead cancelled'::text, 'dead queued'::text, 'cancelled blocked'::text, 'cancelled queued'::text])))) EXECUTE FUNCTION public.delivery_refuses();
CREATE TRIGGER waits BEFORE INSERT ON public.delivery FOR EACH ROW WHEN (((new.order_key IS NOT NULL) OR (new.debounce_until IS NOT NULL))) EXECUTE FUNCTION public.delivery_waits();
