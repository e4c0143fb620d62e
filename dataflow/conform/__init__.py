"""Valid rows of any company's schema become our model; the mapping is configuration."""
