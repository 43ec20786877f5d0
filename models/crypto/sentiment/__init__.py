"""What people say of coins: texts, whom they are about, and how they are meant."""
