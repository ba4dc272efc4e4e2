//! One layer that guards an API with access tokens.
