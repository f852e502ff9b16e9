"""Compares the worlds of two versions of a component. Nothing does yet; `manifest.world` judges a single one."""
