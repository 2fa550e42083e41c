"""The records that leave the bridge as JSON: each key said once."""
