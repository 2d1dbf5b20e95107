"""Mutation testing: small errors are put into the model, one at a time, and the tests must notice each."""
