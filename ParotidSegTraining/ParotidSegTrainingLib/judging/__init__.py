"""How good are contours, and do two ways to make them agree or differ?"""
