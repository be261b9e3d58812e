"""The adversarial classifier as a GAN on a line."""
