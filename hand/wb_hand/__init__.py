"""The hand of waveboard: performs the typed verbs of a signed plan on this host, journals them and can undo them.

Shipped as one file (hand/build.py), installed as /usr/local/libexec/waveboard/wb-hand and reached only through sudo without
arguments; docs/hand.md is its protocol. It runs no command it is given, removes a tree only if it set that tree aside itself,
and an image or a build cache record only by the id a signed plan lists; nothing is pruned by rule.
Standard library only, Python >= 3.9: whoever owns a host can read all that may ever change it.
"""
