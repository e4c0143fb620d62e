"""Who is who: from customer records to permanent customers."""
