"""The centre's HTTP service: an application of routers, a server beside the consumer. Needs the extra `centre`."""
