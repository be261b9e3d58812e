"""Reading, checking, storing and sampling of data: replay, demonstrations and examples."""
