"""Recording as evidence: raw packets on a hash-chained tape first, everything playable is made from it afterwards.

tape -> mux (another process, no transcoding) -> manifest and seal -> composed film (on request). See README.md here.
"""
