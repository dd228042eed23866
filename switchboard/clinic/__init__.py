"""What is done at a clinic beside the talk itself: bookings, notary acts, mediation, confirmation, legal aid."""
