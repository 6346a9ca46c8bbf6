"""Registers the vault's models, which live in the vault's own database and nowhere else."""

from django.apps import AppConfig


class VaultConfig(AppConfig):
    name = "misentinel.vault"
    label = "vault"
    default_auto_field = "django.db.models.BigAutoField"
    planes = {"vault"}
