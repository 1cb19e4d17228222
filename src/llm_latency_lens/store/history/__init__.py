"""The history: what all runs came to, as tables that SQL can ask.

Run directories are the truth; everything here is made from them and can be thrown away.
"""
