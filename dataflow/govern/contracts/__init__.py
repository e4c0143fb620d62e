"""Data contracts: an object or a published table as a document of the Open Data Contract Standard 3.1, and back."""
