"""Compares the worlds of two versions of a component. Nothing asks for that yet; `manifest.world` judges a single one."""
