"""Records of experience and of what people supply: replay, demonstrations, examples; read, checked and sampled here."""
