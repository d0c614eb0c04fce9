from hypothesis import settings

# Other people's work on the same machine must not fail an example that is merely slow.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")
