"""Files of several formats as one table: what is in them, and how all are read together (note 0040).

Steps, the judge, harvests and checks read tables through here, so that all see the same rows and types.
"""
