"""Who a box is to its centre: keys it makes itself, the papers of an enrolment, secrets sealed to it alone."""
