"""How people reach a program that a session serves: an app proxy, or a port of this machine."""
