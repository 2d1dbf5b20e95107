"""Room: text becomes a layer of policy, and the schema of that text.  Pure: it is given text and opens no file."""
