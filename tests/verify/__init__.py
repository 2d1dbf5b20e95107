"""The room ``verify``: its probes bite, it believes no sandbox, and it leaves nothing."""
