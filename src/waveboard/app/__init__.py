"""F2: the order of work. One file a verb, the same verb at every door; calls stations and ports, touches nothing itself."""
