"""The check of a program before it is published: play it, and look for points that cost nothing."""
