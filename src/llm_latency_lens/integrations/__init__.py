"""The lens in other people's programs. Nothing here is loaded before it is used."""
