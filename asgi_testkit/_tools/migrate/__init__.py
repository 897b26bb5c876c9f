"""Moves a suite that was written for another client to this package, by editing its files.

A file is text (`files`), then a tree with what is known of its names (`source`). A step reads the trees of all files,
and says what to change (`edits`) and what a person has to think about (`notes`). There are two steps, the second of
which sees what the first has made: `moving` takes the names of other packages to ours, `awaiting` makes tests async.
"""
