"""Gatehouse: one package per capability; packages import only from lower layers."""
