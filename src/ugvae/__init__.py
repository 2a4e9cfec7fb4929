"""The Unsupervised Global VAE (Peis, Olmos, Artés-Rodríguez 2020) and the models it is compared with."""
