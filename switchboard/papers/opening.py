"""What of the configuration belongs to sealing."""

from __future__ import annotations

from switchboard.config import Config
from switchboard.errors import ConfigurationError
from switchboard.evidence.errors import AuthorityUnusable
from switchboard.evidence.provider import Provider, open_provider
from switchboard.evidence.tsa import TsaSettings


def provider_of(config: Config) -> Provider:
    """The provider of digests, signatures and time stamps. Raises ConfigurationError."""
    try:
        tsa = None
        if config.tsa_url and config.tsa_certificates:
            tsa = TsaSettings.read(config.tsa_url, config.tsa_certificates)
        return open_provider(config.data_dir, tsa)
    except AuthorityUnusable as error:
        raise ConfigurationError([f"sealing: {error}"]) from error
