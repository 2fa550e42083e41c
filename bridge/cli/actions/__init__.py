"""Operations on events and deliveries: their questions, progress and outcomes on a terminal."""
