"""The list of all commands: where each is, and its line in the help."""

from __future__ import annotations

#: The commands in the order of the help: heading -> command -> (module, summary). The summaries are
#: here so that the help imports no command.
SECTIONS = {
    "Begin": {
        "demo": ("bridge.cli.commands.demo.command", "See everything work, without any setup."),
        "init": ("bridge.cli.commands.init", "Write routes.yaml, .env and flows.py."),
        "add": ("bridge.cli.commands.add", "Add a source and a route to routes.yaml."),
        "check": ("bridge.cli.commands.check", "Check routes.yaml, flows.py and the database."),
        "sample": (
            "bridge.cli.commands.sample",
            "Make a signed, realistic sample event, or send it.",
        ),
        "serve": ("bridge.cli.commands.serve", "Run everything: receivers and a worker."),
    },
    "Look": {
        "status": (
            "bridge.cli.commands.status",
            "Show processes, queue and problems on one screen.",
        ),
        "console": ("bridge.cli.commands.console", "Print a URL that logs in to the web console."),
        "events": ("bridge.cli.commands.events", "List events."),
        "show": (
            "bridge.cli.commands.show",
            "Show one event with its deliveries, attempts and runs.",
        ),
        "explain": (
            "bridge.cli.commands.explain",
            "Explain what each route does with an event, and why.",
        ),
        "rejects": (
            "bridge.cli.commands.rejects",
            "List webhooks that failed verification; readmit them.",
        ),
    },
    "Act": {
        "retry": (
            "bridge.cli.commands.delivery_actions",
            "Send dead or cancelled deliveries again.",
        ),
        "replay": ("bridge.cli.commands.replay", "Plan stored events again, as new deliveries."),
        "resolve": (
            "bridge.cli.commands.delivery_actions",
            "Decide deliveries whose outcome is unknown.",
        ),
    },
    "Rare": {
        "test": (
            "bridge.cli.commands.traffic_test",
            "Test routes.yaml on recorded events, before it is used.",
        ),
        "import": (
            "bridge.cli.commands.import_command",
            "Turn another program's configuration into routes.yaml.",
        ),
        "providers": (
            "bridge.cli.commands.providers",
            "List the built-in providers, and how to set each up.",
        ),
        "form": ("bridge.cli.commands.form", "Print the HTML of a form, for your own page."),
        "types": ("bridge.cli.commands.types", "List the event types seen; infer a schema of one."),
        "shadow": (
            "bridge.cli.commands.shadow",
            "Compare a shadow route with the route that it may replace.",
        ),
        "deliveries": ("bridge.cli.commands.events", "List deliveries."),
        "causes": ("bridge.cli.commands.causes", "List dead deliveries by cause."),
        "alerts": (
            "bridge.cli.commands.alerts",
            "List raised and pending alerts; send a test alert.",
        ),
        "tail": ("bridge.cli.commands.tail", "Follow events and their deliveries as they happen."),
        "flows": ("bridge.cli.commands.flows", "List a platform's flows; start and end runs."),
        "spam": ("bridge.cli.commands.spam", "List submissions marked as spam; release them."),
        "cancel": ("bridge.cli.commands.delivery_actions", "Cancel deliveries that are waiting."),
        "operations": (
            "bridge.cli.commands.operations",
            "List past operations; resume an interrupted one.",
        ),
        "doctor": (
            "bridge.cli.commands.doctor",
            "Prove that the running bridge refuses forgeries.",
        ),
        "platform": (
            "bridge.cli.commands.platform",
            "Run the local platform alone, to rehearse failures.",
        ),
        "trends": (
            "bridge.cli.commands.trends",
            "Print numbers per minute: events, latency, queue, runs.",
        ),
        "export": ("bridge.cli.commands.export", "Export form submissions as CSV or JSON."),
        "audit": ("bridge.cli.commands.audit", "List logins, changes, exports and downloads."),
        "learn": ("bridge.cli.commands.learn", "Let a source receive its secret from the sender."),
        "erase": ("bridge.cli.commands.erase", "Erase a person's data from the store."),
        "db": ("bridge.cli.commands.db.command", "Maintain the database: back up, prune, upgrade."),
        "fingerprint": (
            "bridge.cli.commands.fingerprint",
            "Print the fingerprint that replaces a redacted value.",
        ),
        "schema": (
            "bridge.cli.commands.schema",
            "Print the JSON Schema of routes.yaml for editors.",
        ),
        "completion": (
            "bridge.cli.commands.completion",
            "Let bash, zsh or fish complete names and ids.",
        ),
        "web": ("bridge.cli.commands.serve", "Run receivers only."),
        "work": ("bridge.cli.commands.serve", "Run a worker only."),
        "celery": ("bridge.cli.commands.serve", "Run a Celery worker that makes the calls."),
        "torture": (
            "bridge.cli.commands.torture.command",
            "Crash-test a bridge under load; account for every event.",
        ),
    },
    "Other machines": {
        "token": ("bridge.cli.commands.token", "Create, list and remove access tokens."),
        "login": ("bridge.cli.commands.login", "Store the token of a bridge for --server."),
        "logout": ("bridge.cli.commands.login", "Delete the stored token of a bridge."),
        "mcp": ("bridge.cli.commands.mcp_command", "Serve the admin API as tools for an agent."),
    },
}
#: Sections of which the help lists only the names, so that the others fit on a screen.
BRIEF_SECTIONS = frozenset({"Rare", "Other machines"})
#: Commands that do not read the project's routes.yaml.
WITHOUT_ROUTES = frozenset(
    {
        "completion",
        "demo",
        "help",
        "import",
        "init",
        "login",
        "logout",
        "mcp",
        "providers",
        "schema",
        "torture",
        "version",
    }
)
#: Commands that may take a routes.yaml as an argument, so that they say which one they use.
TAKES_ROUTES = frozenset({"check"})
#: Earlier names of commands, which still work.
ALIASES = {"acts": "operations", "receipt": "fingerprint"}
#: Commands that flowbridge does not have -> the command that does it.
COMMAND_HINTS = {
    "backup": "db backup",
    "dashboard": "console",
    "dlq": "causes",
    "docs": "help",
    "list": "events",
    "listen": "tail",
    "logs": "tail",
    "open": "console --open",
    "resend": "retry",
    "routes": "explain",
    "runs": "deliveries",
    "sources": "status",
    "start": "serve",
    "trigger": "sample",
    "upgrade": "db upgrade",
    "validate": "check",
}
HIDDEN = {"help": "bridge.cli.commands.usage", "version": "bridge.cli.commands.usage"}
COMMANDS = {
    name: module for commands in SECTIONS.values() for name, (module, _) in commands.items()
}
