"""Requests over HTTP. Nothing here knows how a feature is computed: ``ops.online.session`` does."""
