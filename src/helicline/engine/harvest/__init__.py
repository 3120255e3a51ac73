"""The harvest task: labelled production rows become a draft version, in the types of the data they join."""
