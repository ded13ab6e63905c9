"""Services of a charging point operator: provisioning service (`cpo`) and ecosystem client (`opcp`).

They need the extra `cpo`; a station needs none of it.
"""
