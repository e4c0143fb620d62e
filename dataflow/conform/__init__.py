"""Map valid rows of any company's schema to the conformed model, by configured mappings."""
