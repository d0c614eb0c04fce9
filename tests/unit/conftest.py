from hypothesis import settings

# Hypothesis must not fail an example only because the machine is busy.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")
