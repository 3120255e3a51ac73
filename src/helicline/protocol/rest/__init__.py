"""Our own API, `/api/v1`: JSON in, records out, RFC 9457 errors."""
