"""The schema's history, newest last in versions/. Run by world.store.migrate only; there is no ini file and no command line."""
