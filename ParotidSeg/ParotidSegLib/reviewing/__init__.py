"""A contour of any origin under review, alone or beside another one."""
