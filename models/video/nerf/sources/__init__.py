"""Where posed views come from: uploads, folders, single pictures."""
