"""The rooms of the service; each folder is one capability, and files import downstairs only."""
