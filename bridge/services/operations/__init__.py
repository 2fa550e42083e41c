"""Operations on stored records: select the items, begin, do each item, stop and resume."""
