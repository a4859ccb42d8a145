"""One folder a page; what all of them share lies in the rooms beside."""
