"""How results, errors and questions reach a person or a program.

The only place besides the commands that knows Rich, and Rich is imported for people only: the
machine formats (json, jsonl, yaml, csv, tsv, name) are written directly, row by row.

Everything here treats values as hostile: what goes to a terminal, and what goes into a line
format, holds no control sequence and no markup. ``json`` and ``yaml`` escape such characters the
way the format does, so values stay exact; ``csv`` stays exact in a pipe.
"""
