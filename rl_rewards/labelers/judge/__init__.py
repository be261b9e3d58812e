"""The parts of an AI judge: prompts, requests, the parsing of replies, and the journal."""
