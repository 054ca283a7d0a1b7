"""What the journals of wallets and holdings share. No rule about money or shares stands here."""
