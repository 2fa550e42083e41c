"""Operations on stored data: actions, prune, erase, copy, rekey, integrity checks."""
