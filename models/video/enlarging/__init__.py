"""How the network that enlarges frames is taught."""
