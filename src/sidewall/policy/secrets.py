"""Where credentials lie: what no command may read unless a rule names it.

Knows: the places of well-known programs, below the home directory and outside, by flavour.  Must not know: whether
they exist.  Each line is a directory or a file; everything below a directory is meant.

Whole directories are preferred to files in them: programs put new credentials beside old ones, and a directory is
held more surely than a file that is replaced by rename.
"""

from __future__ import annotations

from sidewall.policy.model import BUILT_IN, DENY, READ, FileRule, Source
from sidewall.policy.paths import POSIX, WINDOWS

SECRETS_KEY, STATE_KEY, SETTINGS_KEY, RUNTIME_KEY = "secrets", "own state", "own settings", "own runtime"
"""Keys of the sources of the rules made here."""
_OWN = frozenset((STATE_KEY, SETTINGS_KEY, RUNTIME_KEY))
SOURCE = Source(layer=BUILT_IN, key=SECRETS_KEY)

_EVERYWHERE = (
    # keys, passwords, certificates
    ".ssh", ".gnupg", ".pki", ".putty", ".age", ".config/age", ".config/sops", ".password-store", ".config/op", ".op",
    ".config/1Password", ".config/Bitwarden", ".config/Bitwarden CLI", ".config/keepassxc", ".vault-token",
    ".netrc", "_netrc", ".authinfo", ".authinfo.gpg", ".krb5", ".config/krb5", ".tsh", ".config/step", ".step",
    ".doppler", ".infisical", ".lpass", ".config/gopass", ".config/bws", ".config/wireguard", ".acme.sh",
    # clouds and hosting
    ".aws", ".azure", ".config/azure", ".config/gcloud", ".boto", ".s3cfg", ".oci", ".aliyun", ".tccli", ".bluemix",
    ".config/doctl", ".config/hcloud", ".config/scw", ".config/linode-cli", ".config/openstack", ".ovh.conf", ".fly",
    ".config/heroku", ".heroku", ".netlify", ".config/netlify", ".vercel", ".local/share/com.vercel.cli", ".railway",
    ".wrangler", ".config/.wrangler", ".cloudflared", ".supabase", ".config/configstore", ".modal.toml",
    ".config/rclone", ".rclone.conf", ".mc", ".config/stripe", ".config/ngrok", ".ngrok2", ".sentryclirc", ".brev",
    ".edgerc", ".expo", ".civo.json", ".vultr-cli.yaml", ".config/turso", ".config/neonctl", ".upstash.json",
    ".serverlessrc", ".okta", ".saml2aws", ".awsvault",
    # clusters, containers, infrastructure
    ".kube", ".docker/config.json", ".docker/contexts", ".config/containers/auth.json", ".config/helm",
    ".config/argocd", ".argocd", ".terraformrc", ".terraform.d", ".config/opentofu", ".pulumi", ".ansible/vault",
    ".vault_pass", ".minikube/certs", ".rancher", ".config/nats",
    ".dockercfg", ".talos", ".okteto", ".tofurc",
    # git hosts and their command lines
    ".git-credentials", ".config/git/credentials", ".cache/git", ".gitcookies", ".config/gh", ".config/hub",
    ".config/glab-cli", ".config/tea", ".subversion/auth", ".cvspass", ".circleci", ".travis", ".config/jgit",
    ".gcm", ".jfrog",
    # package managers
    ".npmrc", ".yarnrc", ".yarnrc.yml", ".bunfig.toml", ".pypirc", ".pip", ".config/pip", ".config/pypoetry",
    ".config/uv/credentials", ".local/share/uv/credentials", ".continuum", ".cargo/credentials",
    ".cargo/credentials.toml", ".gem/credentials", ".local/share/gem/credentials", ".bundle/config",
    ".m2/settings.xml", ".m2/settings-security.xml", ".gradle/gradle.properties", ".sbt/.credentials",
    ".ivy2/.credentials", ".composer/auth.json", ".config/composer/auth.json", ".nuget/NuGet", ".config/NuGet",
    ".hex", ".pub-cache/credentials.json", ".config/dart", ".cocoapods", ".conan2/credentials.json",
    ".config/pdm", ".config/pnpm/rc", ".rattler",
    # databases and data services
    ".pgpass", ".my.cnf", ".mylogin.cnf", ".mongodb", ".dbt", ".databrickscfg", ".databricks", ".snowsql",
    ".snowflake", ".kaggle", ".config/kaggle", ".cache/huggingface/token", ".cache/huggingface/stored_tokens",
    ".huggingface", ".config/wandb", ".replicate", ".config/io.datasette.llm", ".config/openai", ".config/anthropic",
    ".influxdbv2", ".duckdb/stored_secrets", ".usqlpass", ".clickhouse-client", ".config/aichat", ".config/shell_gpt",
    # coding agents
    ".codex/auth.json", ".claude/.credentials.json", ".claude.json", ".gemini/oauth_creds.json", ".gemini/.env",
    ".gemini/google_accounts.json", ".qwen/oauth_creds.json", ".config/github-copilot", ".copilot",
    ".config/goose/secrets.yaml", ".local/share/opencode/auth.json", ".local/share/amp/secrets.json",
    ".factory/auth.json", ".kiro/auth", ".continue/config.yaml", ".continue/.env", ".aider.conf.yml",
    ".config/crush", ".local/share/crush", ".config/cursor/auth.json", ".codex/.credentials.json", ".codex/.env",
    ".gemini/mcp-oauth-tokens.json", ".gemini/mcp-oauth-tokens-v2.json", ".qwen/.env", ".mcp-auth",
    ".local/share/opencode/mcp-auth.json", ".local/share/amazon-q", ".local/share/kiro-cli", ".config/manicode",
    ".augment", ".cline", ".openhands", ".grok", ".kimi", ".pi/agent/auth.json", ".vibe/.env", ".ollama/id_ed25519",
    ".codeium",
    # what was typed
    ".bash_history", ".zsh_history", ".zsh_sessions", ".zhistory", ".histfile", ".sh_history", ".ash_history",
    ".python_history", ".node_repl_history", ".irb_history", ".php_history", ".psql_history", ".mysql_history",
    ".mariadb_history", ".sqlite_history", ".rediscli_history", ".dbshell", ".mongosh", ".lesshst", ".viminfo",
    ".config/nushell/history.txt", ".config/nushell/history.sqlite3",
    ".ipython/profile_default/history.sqlite", ".Rhistory", ".duckdb_history", ".local/share/atuin",
    # mail and transfer
    ".mutt", ".msmtprc", ".fetchmailrc", ".mbsyncrc", ".config/aerc", ".config/filezilla", ".filezilla",
    ".muttrc", ".neomuttrc", ".config/mutt", ".config/neomutt", ".config/msmtp", ".offlineimaprc", ".config/himalaya",
    ".local/share/lftp",
)

_POSIX = (
    # keyrings and wallets
    ".local/share/keyrings", ".local/share/kwalletd", ".kde/share/apps/kwallet", ".kde4/share/apps/kwallet",
    ".gnome2/keyrings", ".config/kwalletrc",
    # browsers, mail, messengers
    ".mozilla", ".thunderbird", ".librewolf", ".waterfox", ".config/mozilla", ".config/google-chrome",
    ".config/google-chrome-beta", ".config/google-chrome-unstable", ".config/chromium", ".config/BraveSoftware",
    ".config/microsoft-edge", ".config/vivaldi", ".config/opera", ".config/Slack", ".config/discord", ".config/Signal",
    ".config/Element", ".local/share/TelegramDesktop", ".config/evolution", ".local/share/evolution", ".var/app",
    "snap/firefox", "snap/chromium", "snap/thunderbird",
    ".zen", ".floorp", ".config/Mattermost", ".purple", ".weechat", ".config/weechat", ".config/goa-1.0",
    # editors that keep tokens
    ".config/Code/User/globalStorage", ".config/Cursor/User/globalStorage", ".config/VSCodium/User/globalStorage",
    ".config/Windsurf/User/globalStorage", ".config/JetBrains", ".local/share/DBeaverData",
    ".config/Code - Insiders/User/globalStorage", ".config/Kiro/User/globalStorage",
    ".config/Antigravity/User/globalStorage", ".vscode-server/data/User/globalStorage",
    ".cursor-server/data/User/globalStorage", ".config/code-server", ".config/Claude", ".config/Postman",
    ".config/Insomnia", ".local/share/jupyter/runtime",
    # sessions of the desktop, of VPNs, of remote desktops
    ".Xauthority", ".ICEauthority", ".config/pulse/cookie", ".pulse-cookie", ".config/remmina", ".local/share/remmina",
    ".config/protonvpn", ".cert", ".local/share/networkmanagement", ".config/freerdp", ".vnc", ".config/tigervnc",
    ".config/nordvpn", ".smbcredentials", ".davfs2", ".config/syncthing", ".local/state/syncthing", ".config/borg",
    # what was typed
    ".local/share/fish/fish_history", ".local/share/powershell/PSReadLine",
    ".local/share/nvim/shada", ".local/state/nvim/shada", ".local/state/bash", ".local/state/zsh",
    # coins
    ".electrum", ".bitcoin", ".ethereum", ".config/solana", ".near-credentials", ".foundry/keystores",
)

_POSIX_SYSTEM = (
    "/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/security/opasswd", "/etc/sudoers",
    "/etc/sudoers.d", "/etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_ecdsa_key", "/etc/ssh/ssh_host_ed25519_key",
    "/etc/ssh/ssh_host_dsa_key", "/etc/krb5.keytab", "/etc/ssl/private", "/etc/pki/tls/private", "/etc/letsencrypt",
    "/etc/NetworkManager/system-connections", "/etc/wireguard", "/etc/openvpn", "/etc/ipsec.secrets",
    "/etc/ppp/chap-secrets", "/etc/ppp/pap-secrets", "/etc/wpa_supplicant", "/etc/iwd", "/etc/sssd/sssd.conf",
    "/etc/kubernetes", "/etc/rancher", "/etc/docker/key.json", "/etc/postfix/sasl_passwd", "/etc/exim4/passwd.client",
    "/etc/rclone.conf", "/etc/vault.d", "/etc/credstore", "/etc/credstore.encrypted", "/etc/cryptsetup-keys.d",
    "/etc/msmtprc", "/etc/cloudflared", "/etc/gitlab-runner", "/var/lib/sss", "/var/lib/tailscale", "/var/lib/iwd",
    "/var/lib/kubelet", "/var/lib/systemd/coredump", "/var/lib/systemd/credential.secret", "/run/secrets",
    "/run/credentials",
)

_WINDOWS = (
    r"AppData\Roaming\Microsoft\Credentials", r"AppData\Local\Microsoft\Credentials",
    r"AppData\Roaming\Microsoft\Protect", r"AppData\Roaming\Microsoft\Crypto", r"AppData\Roaming\Microsoft\Vault",
    r"AppData\Local\Microsoft\Vault", r"AppData\Roaming\Microsoft\SystemCertificates",
    r"AppData\Roaming\Microsoft\UserSecrets", r"AppData\Local\Microsoft\TokenBroker",
    r"AppData\Local\Microsoft\IdentityCache", r"AppData\Local\.IdentityService",
    r"AppData\Roaming\Microsoft\Windows\PowerShell\PSReadLine", r"AppData\Roaming\gnupg",
    r"AppData\Roaming\gcloud", r"AppData\Roaming\GitHub CLI", r"AppData\Roaming\glab-cli", r"AppData\Roaming\NuGet",
    r"AppData\Roaming\pip", r"AppData\Roaming\pypoetry", r"AppData\Roaming\Subversion\auth",
    r"AppData\Roaming\rclone", r"AppData\Roaming\FileZilla", r"AppData\Roaming\doctl", r"AppData\Roaming\sops",
    r"AppData\Roaming\postgresql", r"AppData\Roaming\MySQL", r"AppData\Roaming\DBeaverData", r"AppData\Roaming\helm",
    r"AppData\Roaming\npm-cache\_logs", r"AppData\Roaming\terraform.rc", r"AppData\Roaming\terraform.d",
    r"AppData\Roaming\Code\User\globalStorage", r"AppData\Roaming\Cursor\User\globalStorage",
    r"AppData\Roaming\Windsurf\User\globalStorage", r"AppData\Roaming\JetBrains", r"AppData\Roaming\Mozilla",
    r"AppData\Roaming\Thunderbird", r"AppData\Local\Google\Chrome\User Data", r"AppData\Local\Chromium\User Data",
    r"AppData\Local\Microsoft\Edge\User Data", r"AppData\Local\BraveSoftware", r"AppData\Local\Vivaldi",
    r"AppData\Roaming\Opera Software", r"AppData\Local\1Password", r"AppData\Roaming\Bitwarden",
    r"AppData\Roaming\Bitwarden CLI", r"AppData\Roaming\KeePass", r"AppData\Local\KeePassXC", r"AppData\Roaming\Slack",
    r"AppData\Roaming\discord", r"AppData\Roaming\Signal", r"AppData\Roaming\Telegram Desktop",
    r"AppData\Local\github-copilot", r"AppData\Roaming\Composer\auth.json",
    r"AppData\Local\crush", r"AppData\Roaming\Block\goose\config\secrets.yaml", r"AppData\Roaming\Claude",
    r"AppData\Roaming\Cursor\auth.json", r"AppData\Roaming\io.datasette.llm", r"AppData\Roaming\aichat",
    r"AppData\Roaming\uv\credentials", r"AppData\Roaming\uv\data\credentials",
    r"AppData\Local\pnpm\config\rc", r"AppData\Local\pdm", r"AppData\Roaming\xdg.config\.wrangler",
    r"AppData\Roaming\xdg.data\com.vercel.cli", r"AppData\Roaming\com.vercel.cli", r"AppData\Roaming\netlify",
    r"AppData\Roaming\hcloud", r"AppData\Local\ngrok", r"AppData\Local\AWSToolkit",
    r"AppData\Roaming\VSCodium\User\globalStorage", r"AppData\Roaming\Code - Insiders\User\globalStorage",
    r"AppData\Roaming\Kiro\User\globalStorage", r"AppData\Roaming\Antigravity\User\globalStorage",
    r"AppData\Roaming\Postman", r"AppData\Roaming\Insomnia", r"AppData\Roaming\jupyter\runtime",
    r"AppData\Roaming\nushell\history.txt", r"AppData\Roaming\nushell\history.sqlite3", r"AppData\Local\clink",
    r"AppData\Roaming\MobaXterm", r"AppData\Roaming\mRemoteNG", r"AppData\Roaming\WinSCP.ini",
    r"AppData\Local\Microsoft\Remote Desktop Connection Manager", r"AppData\Roaming\Microsoft\Teams",
    r"AppData\Roaming\OpenVPN Connect", r"OpenVPN\config", r"AppData\Local\Syncthing", r"AppData\Roaming\.purple",
    r"AppData\Roaming\Mattermost", r"AppData\Roaming\Electrum", r"AppData\Roaming\Bitcoin",
    r"AppData\Roaming\Ethereum", r"AppData\Roaming\Exodus",
)

_WINDOWS_SYSTEM = (
    r"Windows\System32\config", r"Windows\System32\Microsoft\Protect", r"Windows\repair", r"Windows\NTDS",
    r"Windows\Panther", r"ProgramData\ssh", r"ProgramData\Microsoft\Crypto", r"ProgramData\Microsoft\Wlansvc",
    r"ProgramData\Microsoft\Vault", r"ProgramData\Tailscale", r"Windows\System32\Sysprep",
)

_STATE = {POSIX: ".local/state/sidewall", WINDOWS: r"AppData\Local\sidewall"}
"""On Windows with the passwords of the sandbox's accounts, and the journal of changed access lists."""
_SETTINGS = {POSIX: ".config/sidewall", WINDOWS: r"AppData\Roaming\sidewall"}
_RUNTIME = {WINDOWS: r"AppData\Local\sidewall\runtime"}
"""The copy of Python from which the sandbox's accounts run: they read it, by its own access list."""


def below_home(flavour: str = POSIX) -> tuple[str, ...]:
    """The places below the home directory, relative, with the separators of the flavour."""
    if flavour == POSIX:
        return _EVERYWHERE + _POSIX
    return tuple([place.replace("/", "\\") for place in _EVERYWHERE]) + _WINDOWS


def outside_home(home: str, flavour: str = POSIX) -> tuple[str, ...]:
    """The places outside any home directory; on Windows on the drive of ``home``."""
    if flavour == POSIX:
        return _POSIX_SYSTEM
    return tuple([home[:3] + place for place in _WINDOWS_SYSTEM]) if home[1:2] == ":" else ()


def rules(home: str, flavour: str = POSIX) -> tuple[FileRule, ...]:
    """One denying rule a place.  ``home`` is absolute and normalised."""
    if (home, flavour) not in _made:
        base = _base(home, flavour)
        _made.clear()
        _made[home, flavour] = tuple(
            [FileRule(path=base + place, access=DENY, source=SOURCE) for place in below_home(flavour)]
            + [FileRule(path=place, access=DENY, source=SOURCE) for place in outside_home(home, flavour)]
        )
    return _made[home, flavour]


_made: dict[tuple[str, str], tuple[FileRule, ...]] = {}
"""The last rules made: a process that opens many sandboxes asks for the same ones each time."""


def own(home: str, flavour: str = POSIX) -> tuple[FileRule, ...]:
    """Keeps Sidewall's own state (what is trusted, what was run) unreadable, its settings and what it runs from
    unwritable, whatever the profile reads and whichever directory around them is made writable.

    The first rule is the state's, the second the settings'.
    """
    base = _base(home, flavour)
    made = ((_STATE, DENY, STATE_KEY), (_SETTINGS, READ, SETTINGS_KEY), (_RUNTIME, READ, RUNTIME_KEY))
    return tuple([FileRule(path=base + places[flavour], access=access, source=Source(layer=BUILT_IN, key=key))
                  for places, access, key in made if flavour in places])


def is_own(source: Source) -> bool:
    """Whether a rule of this source is one of ``own``."""
    return source.layer == BUILT_IN and source.key in _OWN


def _base(home: str, flavour: str) -> str:
    separator = "/" if flavour == POSIX else "\\"
    return home if home.endswith(separator) else home + separator
